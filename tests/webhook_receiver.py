"""A receiver of webhooks: a real HTTP server on loopback that answers as a test tells it to."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from tests.conftest import wait_until


@dataclass(frozen=True)
class Reply:
    """What is answered; where it is held, when the receiver is opened."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    held: bool = False


@dataclass(frozen=True)
class Received:
    """One request; the header names are in lower case."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """Its JSON, read by the library that receivers use. Raises WebhookVerificationError."""
        message: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return message


class Receiver:
    """Each path has its own list of replies, the last of which is given again and again, and its own requests."""

    def __init__(self, address: str) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.open = threading.Event()
        self.connections = 0
        self._received: dict[str, list[Received]] = defaultdict(list)
        self._server = ThreadingHTTPServer((address, 0), type("Handler", (_Handler,), {"receiver": self}))
        self._server.daemon_threads = True
        self.url = f"http://{address}:{self._server.server_port}"

    def on(self, path: str, *replies: Reply | int) -> str:
        """The URL of a path that will answer so."""
        self.replies[path] = [Reply(reply) if isinstance(reply, int) else reply for reply in replies or (204,)]
        return self.url + path

    def received(self, path: str) -> list[Received]:
        return list(self._received[path])

    def wait_for(self, path: str, count: int = 1, seconds: float = 10.0) -> list[Received]:
        """At least that many requests."""
        wait_until(lambda: len(self._received[path]) >= count, seconds)
        return self.received(path)

    def take(self, path: str, received: Received) -> Reply:
        name = path.partition("?")[0]
        replies = self.replies.get(name, [Reply(404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self._received[name].append(received)
        if reply.held:
            self.open.wait(30)
        return reply

    @contextmanager
    def serving(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.open.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def setup(self) -> None:
        self.receiver.connections += 1
        super().setup()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.receiver.take(self.path, Received(headers, body, time.monotonic()))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.receiver.take(self.path, Received({}, b"", time.monotonic()))
        self.send_error(405)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
