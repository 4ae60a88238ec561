"""One try: a POST to a receiver, of which no more than the head of its answer is read.

Resolves the name, has every address judged, and connects to what was judged: a name that leads elsewhere a moment later
changes nothing. Goes through no proxy, follows no redirect and keeps neither cookies nor connections. Knows HTTP; knows
nothing of jobs or retries.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from service.webhooks.receivers import (
    Address,
    AllowedReceivers,
    Receiver,
    ReceiverRefused,
    check_addresses,
    read_receiver,
)
from service.webhooks.retries import Answer

TRY_SECONDS = 10.0
"""For everything from the name to the head of the answer, however slowly it comes."""
_MOST_ADDRESSES = 3
"""Of one name that are tried, where one does not take connections."""
_LOOKUPS = 16
"""Of names at a time, on threads of their own: a DNS that does not answer holds up no other work."""

Resolve = Callable[[str, int], Awaitable[list[Address]]]
"""Every address of a host name. Raises OSError."""


def resolver() -> Resolve:
    """The system's."""
    threads = ThreadPoolExecutor(_LOOKUPS, "webhook-lookup")

    def look_up(host: str, port: int) -> list[Address]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        # Each once; a zone is said behind the address, and is of none that may be called.
        texts = dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found)
        return [ipaddress.ip_address(text) for text in texts]

    async def resolve(host: str, port: int) -> list[Address]:
        return await asyncio.get_running_loop().run_in_executor(threads, look_up, host, port)

    return resolve


class Sender:
    """Makes tries, any number at a time. `tls` is how receivers are verified; by default as httpx does."""

    def __init__(self, allowed: AllowedReceivers, resolve: Resolve, tls: ssl.SSLContext | None = None) -> None:
        self._allowed = allowed
        self._resolve = resolve
        # Not a client: that has cookies and redirects, and logs every URL. A connection that was kept would be that of
        # another name where two have one address.
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls or True,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float = TRY_SECONDS) -> Answer:
        """What came of it, in at most that many seconds."""
        try:
            async with asyncio.timeout(seconds):
                receiver = read_receiver(url, self._allowed)
                addresses = await self._addresses(receiver)
                return await self._post(receiver, addresses, headers, body)
        except TimeoutError:
            return Answer(error="timeout")
        except ReceiverRefused:
            return Answer(error="address_refused")
        except OSError:  # of the resolver: the transport has errors of its own
            return Answer(error="name_not_resolved")
        except httpx.TransportError as error:
            return Answer(error=_reason(error))

    async def close(self) -> None:
        await self._transport.aclose()

    async def _addresses(self, receiver: Receiver) -> list[Address]:
        if receiver.address is not None:
            return [receiver.address]
        addresses = await self._resolve(receiver.host, receiver.port)
        check_addresses(receiver, addresses, self._allowed)
        return addresses[:_MOST_ADDRESSES]

    async def _post(
        self, receiver: Receiver, addresses: list[Address], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        for address in addresses[:-1]:
            try:
                return await self._post_to(receiver, address, headers, body)
            except httpx.ConnectError:
                continue
        return await self._post_to(receiver, addresses[-1], headers, body)

    async def _post_to(self, receiver: Receiver, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
        request = httpx.Request(
            "POST",
            receiver.url_of(str(address)),
            headers={
                "Host": receiver.url_of(receiver.host).netloc.decode(),
                "Content-Type": "application/json",
                "User-Agent": "Darkroom",
                "Connection": "close",
                **headers,
            },
            content=body,
            extensions={"sni_hostname": receiver.host},  # and the name that the certificate must hold
        )
        response = await self._transport.handle_async_request(request)
        await response.aclose()
        return Answer(
            status_code=response.status_code,
            error="redirect_not_followed" if response.has_redirect_location else None,
            retry_after_seconds=_seconds(response.headers.get("retry-after")),
        )


def _reason(error: httpx.TransportError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls_failed"
        cause = cause.__cause__ or cause.__context__
    return "no_connection" if isinstance(error, httpx.ConnectError) else "no_http_answer"


def _seconds(retry_after: str | None) -> float | None:
    """RFC 9110: seconds, or a date. None without one that can be read."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
