"""A server between the client and the service that is not kind: it answers as it was told, or cuts connections."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

CUT = b""
"""Nothing is answered, and nobody else is asked."""
LOSE = b"lose"
"""The service gets the request, and the client no answer."""
PASS = b"pass"
"""The service's answer."""


class Seen(NamedTuple):
    """A request as it came, and when, by time.monotonic()."""

    text: str
    at: float

    def header(self, name: str) -> str | None:
        found = re.search(rf"^{name}: (.*)\r$", self.text, re.MULTILINE | re.IGNORECASE)
        return found and found[1]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """One of its own, as bytes."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


class RoughServer:
    """One request for each connection; `answers` in turn, the last one for ever."""

    def __init__(self, answers: list[bytes], service_url: str | None = None) -> None:
        self.seen: list[Seen] = []
        self._answers = answers
        self._service = urlsplit(service_url or "")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self, connection: socket.socket) -> None:
        request = _message(connection)
        self.seen.append(Seen(request.decode(errors="replace"), time.monotonic()))
        say = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if say in (LOSE, PASS):
            with socket.create_connection((self._service.hostname, self._service.port)) as onward:
                onward.sendall(request)
                answered = _message(onward)
            say = CUT if say == LOSE else answered.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        connection.sendall(say)


def _message(connection: socket.socket) -> bytes:
    """A whole request or answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"^content-length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
    while len(body) < int(length[1] if length else 0):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    assert chunk, "cut"
    return chunk


@contextmanager
def rough_server(*answers: bytes, service_url: str | None = None) -> Iterator[RoughServer]:
    server = RoughServer(list(answers), service_url)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(10)
