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

import httpcore
import httpx

from service.webhooks.bounded_connections import BoundedConnections
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
_LOOKUPS = 256
"""Of names at a time, on threads of their own, made when they are needed. A DNS that does not answer keeps a thread for
up to half a minute, and so for longer than a try: each of 64 tries at a time may leave three behind."""
_CONNECTION_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)

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
        # Not httpx' client: that has cookies and redirects, and logs every URL. A connection that was kept would be
        # that of another name where two have one address.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(trust_env=False),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=BoundedConnections(),
        )

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float = TRY_SECONDS) -> Answer:
        """What came of it, in at most that many seconds."""
        try:
            async with asyncio.timeout(seconds):
                receiver = read_receiver(url, self._allowed)
                try:
                    addresses = await self._addresses(receiver)
                except OSError:
                    return Answer(error="name_not_resolved")
                return await self._post(receiver, addresses, headers, body)
        except TimeoutError:
            return Answer(error="timeout")
        except ReceiverRefused:
            return Answer(error="address_refused")
        except (*_CONNECTION_ERRORS, ssl.SSLError) as error:  # after the handshake TLS' own come through as they are
            return Answer(error=_reason(error))

    async def close(self) -> None:
        await self._pool.aclose()

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
            except httpcore.ConnectError:
                continue
        return await self._post_to(receiver, addresses[-1], headers, body)

    async def _post_to(self, receiver: Receiver, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
        url = receiver.url_of(str(address))
        named = {
            "Host": receiver.url_of(receiver.host).netloc.decode(),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "Darkroom",
            "Connection": "close",
            **headers,
        }
        request = httpcore.Request(
            "POST",
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=receiver.port, target=url.raw_path),
            headers=list(named.items()),
            content=body,
            extensions={"sni_hostname": receiver.host},  # and the name that the certificate must hold
        )
        answer = await self._pool.handle_async_request(request)
        await answer.aclose()
        response = httpx.Response(answer.status, headers=answer.headers)
        return Answer(
            status_code=response.status_code,
            error="redirect_not_followed" if response.has_redirect_location else None,
            retry_after_seconds=_seconds(response.headers.get("retry-after")),
        )


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls_failed"
        cause = cause.__cause__ or cause.__context__
    return "no_connection" if isinstance(error, httpcore.ConnectError) else "no_http_answer"


def _seconds(retry_after: str | None) -> float | None:
    """RFC 9110: seconds, or a date. None without one that can be read."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
