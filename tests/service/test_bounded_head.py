"""What anybody can send before a key is asked for: the head of a request."""

import socket

import pytest

from service.bounded_head import MAX_HEAD_BYTES
from tests.service.conftest import Service

READ_BYTES = 256 * 1024
START = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
ENDLESS = {"one header": (START + b"X: ", b"y" * 8192), "many headers": (START, b"X: y\r\n" * 1024)}


def connected(service: Service) -> socket.socket:
    connection = socket.create_connection((service.http.base_url.host, service.http.base_url.port or 0), 10)
    connection.settimeout(10)
    return connection


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
                answer = connection.recv(64)
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
    assert service.http.get("/livez").status_code == 200


def test_heads_within_the_bound_are_answered_one_after_the_other(service: Service) -> None:
    headers = {"X": "y" * (MAX_HEAD_BYTES // 2)}
    for _ in range(4):
        assert service.http.get("/livez", headers=headers).status_code == 200
