"""Clients that send or read slowly, or more than there may be: they are let go, and nobody else notices."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import redis

from service.inspection.inspection import AT_ONCE
from service.wire.connection import MAX_HEAD_BYTES
from tests.conftest import wait_until
from tests.service.conftest import Service, database, start_service, stop_service
from tests.service.pictures import keep, noise

START = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CANCEL = b"POST /jobs/%s/cancel HTTP/1.1\r\nHost: 127.0.0.1\r\n" % (b"0" * 32)
ENDLESS = {"one header": (START + b"X: ", b"y" * 8192), "many headers": (START, b"X: y\r\n" * 1024)}
SLOW = 400
SLOW_READERS = 40


@pytest.fixture(scope="module")
def impatient_process(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("impatient")
    service = start_service(database(valkey_socket), folder, module="tests.impatient_service")
    yield service
    stop_service(service)


@pytest.fixture
def impatient(impatient_process: Service, redis_url: str) -> Service:  # noqa: ARG001
    return impatient_process


def connected(service: Service, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(20)
    connection.connect((service.http.base_url.host, service.http.base_url.port or 0))
    return connection


def drip(connection: socket.socket, piece: bytes) -> bytes:
    """What comes back while a piece is sent ten times a second, until the service closes the connection."""
    received = b""
    connection.settimeout(0.1)
    with suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(200):
            with suppress(TimeoutError):
                chunk = connection.recv(65536)
                if not chunk:
                    return received
                received += chunk
            connection.sendall(piece)
        raise AssertionError("the service lets the connection be", received)
    return received


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(service: Service, kind: str) -> None:
    start, more = ENDLESS[kind]
    sent, answer = len(start), b""
    with connected(service) as connection:
        connection.sendall(start)
        connection.setblocking(False)
        while not answer:
            assert sent < 64 * MAX_HEAD_BYTES
            try:
                answer = connection.recv(65536)
            except BlockingIOError:
                pass
            except ConnectionResetError:
                break
            try:
                sent += connection.send(more)
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                break
    assert answer.startswith(b"HTTP/1.1 431 ") or sent > MAX_HEAD_BYTES
    if answer:
        assert b"content-type: application/problem+json\r\n" in answer
        assert b'"code":"head_too_large"' in answer
    assert service.http.get("/livez").status_code == 200


def test_heads_within_the_bound_are_answered_one_after_the_other(service: Service) -> None:
    headers = {"X": "y" * (MAX_HEAD_BYTES // 2)}
    for _ in range(4):
        assert service.http.get("/livez", headers=headers).status_code == 200


def test_many_slow_connections_keep_nobody_from_an_answer(service: Service) -> None:
    beginnings = (START, START + b"X: ", POST + b"Content-Length: 100\r\n\r\n{", CANCEL + b"Content-Length: 9\r\n\r\n")
    with ExitStack() as slow:
        for number in range(SLOW):
            connection = slow.enter_context(connected(service))
            connection.sendall(beginnings[number % len(beginnings)])
        answers = [service.http.get("/jobs") for _ in range(20)] + [service.http.get("/livez") for _ in range(20)]
        service.submit()
    assert [answer.status_code for answer in answers] == [200] * 40


@pytest.mark.parametrize("piece", [b"X", b"X: y\r\n"])
def test_a_head_that_comes_too_slowly_is_told_so(impatient: Service, piece: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(START)
        answer = drip(connection, piece)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"head_too_slow"' in answer


@pytest.mark.parametrize("first", [b"", START + b"\r\n"])
def test_empty_lines_are_no_head_and_hold_no_connection(impatient: Service, first: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(first)
        answer = drip(connection, b"\r\n")
    assert answer.count(b"HTTP/1.1 ") == (1 if first else 0)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (POST + b"Content-Length: 1000\r\n\r\n", b" "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (POST + b"Content-Length: 1000\r\n\r\n", b""),
    ],
)
def test_a_body_that_comes_too_slowly_is_told_so(impatient: Service, head: bytes, piece: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(head)
        answer = drip(connection, piece)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in answer


def test_who_sends_pictures_slowly_keeps_others_waiting_for_a_while_alone(impatient: Service) -> None:
    head = b"POST /inspect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"

    def inspect() -> httpx.Response:
        return impatient.http.post("/inspect", content=b"x", headers={"Content-Type": "image/png"})

    def refused() -> httpx.Response | None:
        answer = inspect()
        return None if answer.status_code == 422 else answer

    with ExitStack() as slow:
        connections = [slow.enter_context(connected(impatient)) for _ in range(AT_ONCE)]
        for connection in connections:
            connection.sendall(head + b"x" * 999)
        answer = wait_until(refused)
        assert (answer.status_code, answer.json()["code"]) == (503, "inspections_busy")
        assert int(answer.headers["Retry-After"]) >= 1
        assert {connection.recv(12) for connection in connections} == {b"HTTP/1.1 408"}
    assert inspect().json()["code"] == "not_an_image"


def test_a_body_that_nobody_reads_does_not_hold_the_connection(impatient: Service) -> None:
    with connected(impatient) as connection:
        connection.sendall(CANCEL + b"Transfer-Encoding: chunked\r\n\r\n")
        answer = drip(connection, b"1\r\n \r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_an_answer_that_is_being_waited_for_is_no_slow_head(impatient: Service) -> None:
    job_id = impatient.submit()["id"].encode()
    with connected(impatient) as connection:
        connection.sendall(b"GET /jobs/%s?wait=1.5 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /liv" % job_id)
        received = connection.recv(65536)
        connection.sendall(b"ez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while chunk := connection.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 200 ") == 2


def resident_bytes(service: Service) -> int:
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * 4096


def held_connections(service: Service) -> int:
    """Those that the service has not closed, as the kernel tells them."""
    port = f":{service.http.base_url.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(row[1].endswith(port) and row[3] == established for row in rows)


def test_clients_that_do_not_read_are_let_go_and_hold_no_pictures(impatient: Service, client: redis.Redis) -> None:
    picture = keep(impatient, client, image=noise((1536, 1536)))
    whole = len(picture.content)
    assert whole > 4 * 1024**2
    assert impatient.http.get(picture.url).content == picture.content
    before = resident_bytes(impatient)
    request = f"GET {picture.url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with ExitStack() as slow:
        connections = [slow.enter_context(connected(impatient, 4096)) for _ in range(SLOW_READERS)]
        for connection in connections:
            connection.sendall(request)
        assert impatient.http.get(picture.url).content == picture.content
        assert resident_bytes(impatient) - before < 20 * whole
        wait_until(lambda: held_connections(impatient) < 5, 20)
        assert {connection.recv(12) for connection in connections} == {b"HTTP/1.1 200"}


def test_a_client_that_reads_slowly_gets_all_of_it(impatient: Service, client: redis.Redis) -> None:
    picture = keep(impatient, client, image=noise((768, 768)))
    received = b""
    with connected(impatient, 65536) as connection:
        connection.sendall(f"GET {picture.url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        while chunk := connection.recv(65536):
            received += chunk
            if len(received) < 512 * 1024:
                time.sleep(0.3)
    assert received.endswith(picture.content)
