"""Clients of GET /jobs/{id}/events: one that reads events, and a raw one that sees every byte."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from httpx_sse import ServerSentEvent, connect_sse


class Event(NamedTuple):
    id: int
    type: str
    data: dict[str, Any]


@contextmanager
def sse(http: httpx.Client, job_id: str, after: int | None = None, **query: Any) -> Iterator[Iterator[ServerSentEvent]]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with connect_sse(http, "GET", f"/jobs/{job_id}/events", headers=headers, params=query) as source:
        # To a browser what has no data, such as the retry at the start, is no event.
        yield (event for event in source.iter_sse() if event.data)


@contextmanager
def events_of(http: httpx.Client, job_id: str, after: int | None = None, **query: Any) -> Iterator[Iterator[Event]]:
    with sse(http, job_id, after, **query) as stream:
        yield (Event(int(event.id), event.event, json.loads(event.data)) for event in stream)


def all_events(http: httpx.Client, job_id: str, after: int | None = None) -> list[Event]:
    """Until the service closes the stream."""
    with events_of(http, job_id, after) as events:
        return list(events)


class RawStream:
    """A connection whose bytes are read when the test wants it."""

    def __init__(self, http: httpx.Client, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect((http.base_url.host, http.base_url.port))

    def listen(self, job_id: str, query: str = "", last_event_id: str = "") -> "RawStream":
        self.socket.sendall(
            f"GET /jobs/{job_id}/events{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Last-Event-ID: {last_event_id}\r\n\r\n".encode()
        )
        return self

    def read_until(self, mark: bytes) -> bytes:
        received = b""
        while mark not in received:
            chunk = self.socket.recv(65536)
            assert chunk, received
            received += chunk
        return received

    def read_event(self) -> bytes:
        """What has come when an event is complete; more than one where they came together."""
        return self.read_until(b"\n\n")

    def vanish(self) -> None:
        """As a client whose machine is gone: the connection is reset, what was received is thrown away."""
        if self.socket.fileno() == -1:
            return
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Connect = Callable[..., RawStream]
"""Of the fixture `connect`: makes raw connections."""
