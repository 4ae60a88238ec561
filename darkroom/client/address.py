"""Where the service is, and as whom it is asked: what both clients make their httpx client with.

The key goes into a header of that client alone, which asks nobody but `base_url`: no redirect is followed.
"""

import ipaddress
import re
from typing import Any

import httpx

from darkroom.settings import ClientSettings

_CONNECT_SECONDS = 10.0
"""At most; a service that is up takes a connection at once."""
_KEY = re.compile(r"[!-~]+")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")
"""A name of labels (RFC 1123, and `_`, which Docker and others use), or an IP address, as httpx writes it."""


class Address:
    """`base_url` without a slash at its end; the key is shown to nobody."""

    def __init__(self, base_url: str | None, api_key: str | None) -> None:
        """What is None is read from the environment. Raises ValueError, which does not quote the key."""
        settings = ClientSettings()
        url = _parsed(settings.url if base_url is None else base_url)
        key = settings.api_key.get_secret_value() if api_key is None else api_key
        if key and not _KEY.fullmatch(key):
            raise ValueError("api_key must be printable ASCII without blanks")
        self.base_url = str(url).rstrip("/")
        self._key = key
        self._on_this_machine = _is_this_machine(url.host)

    def client_options(self, timeout_seconds: float) -> dict[str, Any]:
        """What httpx.Client and httpx.AsyncClient are made with.

        The environment's proxies are used (`HTTPS_PROXY`, `NO_PROXY` and so on), but never for this machine itself.
        """
        return {
            "base_url": self.base_url,
            "headers": {"Authorization": f"Bearer {self._key}"} if self._key else {},
            "timeout": httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, _CONNECT_SECONDS), pool=None),
            # Many threads may wait for their jobs, and one still has to get through to cancel.
            "limits": httpx.Limits(max_connections=None),
            # More than the environment's own patterns say: so they are overruled.
            "mounts": {"http://": None, "https://": None} if self._on_this_machine else None,
        }


def _parsed(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    host = url.raw_host.decode("ascii")
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(host) or url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must be http or https with a host, and without user name, query and fragment")
    return url


def _is_this_machine(host: str) -> bool:
    """By its name or address; nothing is resolved."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
