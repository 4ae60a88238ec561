"""A client that costs little, because on one core its time is part of what is measured.

One keep-alive connection each, on uvloop, with the parser that uvicorn uses. Knows HTTP; of Darkroom it knows the way
from a request to an image in hand.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar, cast

import httptools
import uvloop

Found = TypeVar("Found")

_SOME = 5
"""Failures that a machine which has much else to do may cause in a short window."""


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class CallFailed(Exception):
    """The other side answered with an error, or not at all; the message says what."""


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, port: int, key: str | None) -> None:
        self._head = f"Host: 127.0.0.1:{port}\r\n".encode()
        if key is not None:
            self._head += f"Authorization: Bearer {key}\r\n".encode()
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer]
        self._transport: asyncio.Transport

    @classmethod
    async def connect(cls, port: int, key: str | None = None) -> Self:
        _, client = await asyncio.get_running_loop().create_connection(lambda: cls(port, key), "127.0.0.1", port)
        return client

    def close(self) -> None:
        self._transport.close()

    async def call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Raises CallFailed for an answer of 400 and above, and where the connection ends."""
        head = f"{method} {path} HTTP/1.1\r\n".encode() + self._head
        if body is not None:
            head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(head + b"\r\n" + (body or b""))
        answer = await self._answer
        if answer.status >= 400:
            raise CallFailed(f"{method} {path}: {answer.status} {answer.body[:500].decode(errors='replace')}")
        return answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without being an instance

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        answer = getattr(self, "_answer", None)
        if answer is not None and not answer.done():
            answer.set_exception(CallFailed(f"the connection ended: {exc}"))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        answer = Answer(self._parser.get_status_code(), b"".join(self._body))
        self._body, self._parser = [], httptools.HttpResponseParser(self)
        self._answer.set_result(answer)


def request(**fields: object) -> bytes:
    """The body of a POST /generate: the same small picture each time, but for those fields."""
    return json.dumps({"prompt": "an oil painting of a penguin on a blue background", "seed": 1} | fields).encode()


async def ended(client: Client, job_id: str, status: str = "succeeded") -> Any:
    """The job, once it has ended. Raises CallFailed where that is with another status, or not within a minute."""
    job = (await client.call("GET", f"/jobs/{job_id}?wait=60")).json()
    if job["status"] != status:
        raise CallFailed(f"the job is not {status}: {job}")
    return job


async def image_in_hand(client: Client, body: bytes) -> bytes:
    """POST, one GET that waits for the end, one for the first image. Raises CallFailed where there is none."""
    job = (await client.call("POST", "/generate", body)).json()
    job = await ended(client, job["id"])
    return (await client.call("GET", job["images"][0]["url"])).body


@dataclass(frozen=True)
class Window:
    """What some clients did in a stretch of time; all durations in seconds."""

    seconds: float
    latencies: list[float]
    failed: int = 0
    """Pieces of work that came to nothing; they have no latency."""

    @property
    def rate(self) -> float:
        """Per second, of those that did not fail."""
        return len(self.latencies) / self.seconds


Work = Callable[[Client], Awaitable[Any]]


async def window(port: int, key: str | None, clients: int, times: int, work: Work, *, lead: int = 0) -> Window:
    """A closed loop: each client does the next piece of work as soon as it has done one, `times` in all.

    With a `lead`, that many come first that do not count, and one for each client behind: what counts is done under
    a load that neither begins nor ends. Connections are made before the clock starts: servers close those that were
    idle in another window. Raises CallFailed where more than a tenth, and more than a few, fail: that measures nothing.
    """
    connections = [await Client.connect(port, key) for _ in range(clients)]
    done: list[tuple[float, float]] = []  # when, and after how many seconds
    left, failed = iter(range(lead + times + (clients if lead else 0))), 0

    async def loop(client: Client) -> None:
        nonlocal failed
        for _ in left:
            started = time.perf_counter()
            try:
                await work(client)
            except CallFailed:
                failed += 1
                if failed > max(_SOME, times / 10):
                    raise
            else:
                ended = time.perf_counter()
                done.append((ended, ended - started))

    since = time.perf_counter()
    try:
        await asyncio.gather(*map(loop, connections))
        until = time.perf_counter()
    finally:
        for connection in connections:
            connection.close()
        await asyncio.sleep(0)  # in which they do
    counted = done[lead : lead + times]
    if lead:
        since, until = done[lead - 1][0], counted[-1][0]
    return Window(until - since, [seconds for _, seconds in counted], failed)


def run(work: Coroutine[Any, Any, Found]) -> Found:
    """On a loop of its own."""
    return uvloop.run(work)
