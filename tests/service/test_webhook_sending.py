"""One try: to the address that was judged, in bounded time, with the certificate of the name.

The certificates are made with the `openssl` command.
"""

import asyncio
import ipaddress
import os
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.webhooks.receivers import Address, AllowedReceivers, read_allowed
from service.webhooks.retries import Answer
from service.webhooks.sending import Resolve, Sender, resolver
from tests.webhook_receiver import Receiver

BODY = b"{}"
LOOPBACK = read_allowed("127.0.0.0/8, hooks.internal")


class Names:
    """A DNS that gives its answers one after the other, and the last one ever after."""

    def __init__(self, *answers: str) -> None:
        self._answers = [[ipaddress.ip_address(each) for each in answer.split()] for answer in answers]
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        assert port
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def send(
    url: str,
    resolve: Resolve,
    allowed: AllowedReceivers = LOOPBACK,
    tls: ssl.SSLContext | None = None,
    seconds: float = 5.0,
    times: int = 1,
) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        sender = Sender(allowed, resolve, tls)
        answers = [await sender.send(url, {"webhook-id": "x"}, BODY, seconds) for _ in range(times)]
        await sender.close()
        return answers

    return asyncio.run(all_of_them())


@contextmanager
def raw_server(address: str, serve: Callable[[socket.socket], Any], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that does with each connection what it is told; gives its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                with tls.wrap_socket(self.request, server_side=True) if tls else self.request as connection:
                    # What is left unread makes the system reset the connection.
                    while (received := connection.recv(65536)) and not received.endswith(BODY):
                        continue
                    serve(connection)
            except OSError:  # the sender hung up
                return

    with socketserver.ThreadingTCPServer((address, 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    with Receiver("127.0.0.1").serving() as receiver, Receiver("127.0.0.2").serving() as other:
        receiver.on("/hook")
        port = receiver.url.rpartition(":")[2]
        names = Names("127.0.0.1", "127.0.0.2")
        (answer,) = send(f"http://hooks.internal:{port}/hook?a=b", names)
        assert answer.status_code == 204
        assert names.asked == ["hooks.internal"]
        assert receiver.received("/hook")[0].headers["host"] == f"hooks.internal:{port}"
        assert not other.received("/hook")


@pytest.mark.parametrize("found", ["127.0.0.1", "1.1.1.1 127.0.0.1", "127.0.0.1 1.1.1.1", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_inside_the_second_time_is_not_called(found: str) -> None:
    """DNS rebinding: what it led to at the submit, or at the try before, counts for nothing."""
    with Receiver("127.0.0.1").serving() as receiver:
        url = "https://hooks.example:" + receiver.url.rpartition(":")[2] + "/"
        answers = send(url, Names(found), AllowedReceivers(), times=2)
        assert answers == [Answer(error="address_refused")] * 2
        assert not receiver.connections


def test_an_address_that_is_no_longer_allowed_is_not_called() -> None:
    with Receiver("127.0.0.1").serving() as receiver:
        assert send(receiver.url, resolver(), AllowedReceivers()) == [Answer(error="address_refused")]
        assert not receiver.connections


def test_another_address_of_a_name_is_tried_where_the_first_takes_no_connection() -> None:
    with Receiver("127.0.0.2").serving() as receiver:
        receiver.on("/")
        port = receiver.url.rpartition(":")[2]
        (answer,) = send(f"http://hooks.internal:{port}/", Names("127.0.0.1 127.0.0.2 127.0.0.3"))
        assert answer.status_code == 204


def test_a_name_that_nobody_knows_is_told_so() -> None:
    (answer,) = send("https://no-such-name.invalid/", resolver())
    assert answer == Answer(error="name_not_resolved")


def test_the_system_knows_the_addresses_of_this_machine() -> None:
    async def look_up() -> list[Address]:
        return await resolver()("localhost", 443)

    addresses = asyncio.run(look_up())
    assert addresses
    assert all(address.is_loopback for address in addresses)


def test_names_that_nobody_answers_for_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times as many as there are tries at a time: a lookup goes on when its try has been given up."""
    answered, ask_system = threading.Event(), socket.getaddrinfo

    def ask(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "dead.example":
            answered.wait()
        return ask_system("localhost", *arguments, **options)

    async def look_up() -> list[Address]:
        resolve = resolver()
        dead = [asyncio.create_task(resolve("dead.example", 443)) for _ in range(192)]
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(resolve("hooks.example", 443), 5)
        finally:
            answered.set()
            await asyncio.gather(*dead)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    assert asyncio.run(look_up())


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500])
def test_a_receiver_that_answers_byte_by_byte_is_given_up(drip: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        for byte in drip:
            connection.send(bytes([byte]))
            time.sleep(0.05)
        time.sleep(30)

    with raw_server("127.0.0.1", serve) as port:
        assert send(f"http://127.0.0.1:{port}/", resolver(), seconds=0.5) == [Answer(error="timeout")]


def test_of_an_answer_that_never_ends_the_head_is_enough() -> None:
    def serve(connection: socket.socket) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n")
        while True:
            connection.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    with raw_server("127.0.0.1", serve) as port:
        assert send(f"http://127.0.0.1:{port}/", resolver()) == [Answer(status_code=200)]


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"])
def test_an_answer_that_never_begins_is_given_up_after_a_heads_worth(interim: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        while True:
            connection.send(interim)

    with raw_server("127.0.0.1", serve) as port:
        assert send(f"http://127.0.0.1:{port}/", resolver()) == [Answer(error="no_http_answer")]


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-OpenSSH\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000])
def test_what_is_no_http_is_told_so(nonsense: bytes) -> None:
    with raw_server("127.0.0.1", lambda connection: connection.sendall(nonsense)) as port:
        assert send(f"http://127.0.0.1:{port}/", resolver()) == [Answer(error="no_http_answer")]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, 999999999),
        (f"Wed, 21 Oct {'9' * 40} 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode()
    with raw_server("127.0.0.1", lambda connection: connection.sendall(head)) as port:
        assert send(f"http://127.0.0.1:{port}/", resolver()) == [Answer(503, retry_after_seconds=seconds)]


@pytest.fixture(scope="module")
def server_tls(certificate: Path) -> ssl.SSLContext:
    """Of hooks.internal."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    return context


@pytest.fixture(scope="module")
def trusting(certificate: Path) -> ssl.SSLContext:
    """A sender's, to which its certificate is good."""
    return ssl.create_default_context(cafile=str(certificate / "certificate.pem"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of hooks.internal, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=hooks", "-addext", "subjectAltName=DNS:hooks.internal", "-days", "2"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_certificate_must_be_that_of_the_name(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    asked: list[str | None] = []
    server_tls.sni_callback = lambda _socket, name, _context: asked.append(name)

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server("127.0.0.1", serve, server_tls) as port:
        names = Names("127.0.0.1")
        assert send(f"https://hooks.internal:{port}/", names, tls=trusting)[0].status_code == 204
        assert asked == ["hooks.internal"]
        assert send(f"https://other.internal:{port}/", names, tls=trusting) == [Answer(error="tls_failed")]
        assert send(f"https://hooks.internal:{port}/", names) == [Answer(error="tls_failed")]
        assert send(f"http://hooks.internal:{port}/", names) == [Answer(error="no_http_answer")]


def test_tls_that_fails_after_the_handshake_is_told_so(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    with raw_server("127.0.0.1", lambda connection: os.write(connection.fileno(), b"no TLS"), server_tls) as port:
        answers = send(f"https://hooks.internal:{port}/", Names("127.0.0.1"), tls=trusting)
        assert answers == [Answer(error="tls_failed")]


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver("127.0.0.1").serving() as receiver, Receiver("127.0.0.2").serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert send(receiver.on("/"), resolver())[0].status_code == 204
        assert not proxy.connections
