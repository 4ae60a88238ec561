"""Connections of which no more than a head's worth is read.

httpcore bounds each head by itself, and reads any number of interim ones (`103 Early Hints`) as long as they come: that
would keep the whole process busy. Knows bytes; knows nothing of HTTP.
"""

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

MOST_BYTES = 16 * 1024
"""Read of a connection. As much as Node.js takes of a head."""


class BoundedConnections(httpcore.AsyncNetworkBackend):
    """httpcore's own, but bounded."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _Bounded(await self._backend.connect_tcp(host, port, timeout, local_address, socket_options))


class _Bounded(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MOST_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._left:
            raise httpcore.ReadError("more than may be read")
        received = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(received)
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Bounded(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
