"""Requests as no well-behaved client sends them: each gets the right problem, and the next one its answer."""

import re
import socket
from contextlib import suppress
from typing import NamedTuple

import pytest

from service.wire.bounded_body import MAX_BODY_BYTES
from service.wire.connection import MAX_TARGET_BYTES
from tests.service.conftest import Service

BODY = b'{"prompt": "a fox"}'
JSON = b"Content-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IN_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
NEVER = "/jobs/" + "0" * 32


class Answers(NamedTuple):
    """What came back over one connection until the service closed it."""

    statuses: list[int]
    codes: list[str]
    text: bytes


def send(service: Service, *parts: bytes) -> Answers:
    received = b""
    with socket.create_connection((service.http.base_url.host, service.http.base_url.port or 0), 10) as connection:
        connection.sendall(b"".join(parts))
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    return Answers(statuses, re.findall(r'"code":"(\w+)"', received.decode(errors="replace")), received)


def request(line: str, *headers: bytes, body: bytes = b"", host: bytes = b"Host: localhost\r\n") -> bytes:
    return line.encode() + b"\r\n" + host + b"".join(headers) + b"\r\n" + body


LAST = request("GET /livez HTTP/1.1", b"Connection: close\r\n")
"""After it the service closes the connection."""
POST = "POST /generate HTTP/1.1"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez\r\n\r\n",
        request("FOO /livez HTTP/1.1"),
        request("get /livez HTTP/1.1"),
        request("GET /livez HTTP/3.0"),
        request("GET /livez HTTP/1.1", host=b""),
        request("GET /livez HTTP/1.1", b"Host: localhost\r\n"),
        request("CONNECT localhost:443 HTTP/1.1"),
        request("GET /jobs/a b HTTP/1.1"),
        request("GET /jobs/\u00e4 HTTP/1.1"),
        request("GET /livez HTTP/1.1", b"X: a\x00b\r\n"),
        request("GET /livez HTTP/1.1", b"X: a\r\n b\r\n"),
        request("GET /livez HTTP/1.1").replace(b"\r\n", b"\n"),
        request(POST, JSON, LENGTH, CHUNKED, body=IN_CHUNKS),
        request(POST, JSON, LENGTH, b"Content-Length: 3\r\n", body=BODY),
        request(POST, JSON, LENGTH, LENGTH, body=BODY),
        request(POST, JSON, b"Content-Length: +19\r\n", body=BODY),
        request(POST, JSON, b"Content-Length: 19, 19\r\n", body=BODY),
        request(POST, JSON, b"Content-Length: " + b"9" * 30 + b"\r\n"),
        request(POST, JSON, b"Transfer-Encoding: gzip, chunked\r\n", body=IN_CHUNKS),
        request(POST, JSON, b"Transfer-Encoding: identity\r\n", body=BODY),
        request(POST, JSON, b"Transfer-Encoding : chunked\r\n", body=IN_CHUNKS),
        request(POST, JSON, CHUNKED, CHUNKED, body=IN_CHUNKS),
        request("POST /generate HTTP/1.0", JSON, CHUNKED, body=IN_CHUNKS),
        request(POST, JSON, CHUNKED, body=b"zz\r\n" + IN_CHUNKS),
        request(POST, JSON, LENGTH, b"Connection: Upgrade\r\nUpgrade: h2c\r\n", body=BODY),
    ],
)
def test_what_is_no_http_or_could_be_read_in_two_ways_is_refused_once(service: Service, sent: bytes) -> None:
    answers = send(service, sent, LAST)
    assert (answers.statuses, answers.codes) == ([400], ["invalid_request"])
    assert b"content-type: application/problem+json\r\n" in answers.text
    assert b"connection: close\r\n" in answers.text
    assert service.http.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("OPTIONS * HTTP/1.1"), 204),
        (request("GET * HTTP/1.1"), 404),
        (request("GET http://localhost/livez HTTP/1.1"), 200),
        (request("GET http://localhost/livez HTTP/1.1", host=b"Host: evil.example\r\n"), 200),
        (request("GET http://evil.example/livez HTTP/1.1"), 421),
        (request("PROPFIND /livez HTTP/1.1"), 405),
        (request("TRACE /livez HTTP/1.1"), 405),
        (request("GET /jobs/%00 HTTP/1.1"), 404),
        (request("GET /static/%00 HTTP/1.1"), 404),
        (request("GET /jobs/%ff HTTP/1.1"), 404),
        (request("GET /jobs/%ed%a0%80 HTTP/1.1"), 404),
        (request("GET /jobs/%zz HTTP/1.1"), 404),
        (request(f"GET {NEVER}%2fevents HTTP/1.1"), 404),
        (request("GET /static/..%2f..%2fapp.py HTTP/1.1"), 404),
        (request("GET /static/" + "a" * 20_000 + " HTTP/1.1"), 404),
        (request(f"POST {NEVER}/cancel HTTP/1.1", LENGTH, body=BODY), 404),
        (request(f"POST {NEVER}/cancel HTTP/1.1", CHUNKED, body=IN_CHUNKS), 404),
        (request(f"HEAD {NEVER}/events HTTP/1.1"), 404),
        (request("GET /livez HTTP/1.1", b"Accept: text/html\r\n"), 200),
        (request(POST, JSON, CHUNKED, body=IN_CHUNKS), 202),
        (request(POST, JSON, CHUNKED, body=IN_CHUNKS.replace(b"\r\n", b";a=b\r\n", 1)), 202),
        (request(POST, JSON, LENGTH, body=BODY), 202),
    ],
)
def test_the_next_request_of_the_connection_is_answered_too(service: Service, sent: bytes, status: int) -> None:
    answers = send(service, sent, LAST)
    assert answers.statuses == [status, 200]
    assert b"Traceback" not in answers.text


@pytest.mark.parametrize("path", ["/", "/static/", "/jobs?cursor="])
def test_a_target_beyond_its_limit_is_told_apart_from_a_head_beyond_its_own(service: Service, path: str) -> None:
    answers = send(service, request(f"GET {path}{'a' * MAX_TARGET_BYTES} HTTP/1.1"), LAST)
    assert (answers.statuses, answers.codes) == ([414], ["target_too_long"])


def test_garbage_after_a_request_does_not_cut_into_its_answer(service: Service) -> None:
    answers = send(service, request(POST, JSON, LENGTH, body=BODY), b"\x00\x01\r\n\r\n", LAST)
    assert answers.statuses == [202]
    assert answers.text.endswith(b"}")


def test_an_old_client_is_answered_and_the_connection_closed(service: Service) -> None:
    for host in (b"", b"Host: localhost\r\n"):
        answers = send(service, request("GET /livez HTTP/1.0", host=host), LAST)
        assert answers.statuses == [200 if host else 421]


def test_an_upgrade_that_is_not_on_offer_is_ignored(service: Service) -> None:
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    for protocol in (b"websocket", b"h2c"):
        upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
        assert send(service, request("GET /livez HTTP/1.1", upgrade, key)).statuses == [200]


EXPECT = b"Expect: 100-continue\r\n"


def test_a_body_that_is_waited_for_is_asked_for(service: Service) -> None:
    assert send(service, request(POST, JSON, LENGTH, EXPECT, body=BODY), LAST).statuses == [100, 202, 200]


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (POST, JSON + b"Content-Length: %d\r\n" % (MAX_BODY_BYTES + 1), 413),
        (POST, LENGTH, 415),
        (f"POST {NEVER}/cancel HTTP/1.1", LENGTH, 404),
    ],
)
def test_a_body_that_is_not_wanted_is_not_asked_for(service: Service, line: str, headers: bytes, status: int) -> None:
    answers = send(service, request(line, headers, EXPECT))
    assert answers.statuses == [status]
    assert b"connection: close\r\n" in answers.text


@pytest.mark.parametrize(
    "path", ["/generate", f"{NEVER}/cancel", "/livez", "/docs", "/openapi.json", "/static/favicon.png", "/nope"]
)
def test_a_body_beyond_the_limit_is_refused_by_every_route(service: Service, path: str) -> None:
    size = MAX_BODY_BYTES + 1
    headers = JSON + b"Content-Length: %d\r\n" % size
    answers = send(service, request(f"POST {path} HTTP/1.1", headers, body=b"x" * size), LAST)
    assert (answers.statuses, answers.codes) == ([413, 200], ["body_too_large"])


def chunks(number: int) -> bytes:
    return (b"10000\r\n" + b"x" * 65536 + b"\r\n") * number


def test_a_large_body_that_no_route_reads_is_thrown_away(service: Service) -> None:
    answers = send(service, request(f"POST {NEVER}/cancel HTTP/1.1", CHUNKED, body=chunks(5) + b"0\r\n\r\n"), LAST)
    assert answers.statuses == [404, 200]


def test_a_body_without_end_that_no_route_reads_ends_the_connection(service: Service) -> None:
    with socket.create_connection((service.http.base_url.host, service.http.base_url.port or 0), 10) as connection:
        connection.settimeout(10)
        connection.sendall(request(f"POST {NEVER}/cancel HTTP/1.1", CHUNKED))
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
            while sent < 1024:
                connection.sendall(chunks(16))
                sent += 1
    assert sent < 1024


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Type: application/json; charset=UTF-8\r\n", 202),
        (b'Content-Type: Application/JSON; profile="a;b"\r\n', 202),
        (JSON + b"Content-Encoding: identity\r\n", 202),
        (b"", 415),
        (b"Content-Type: \r\n", 415),
        (b"Content-Type: ;;;\r\n", 415),
        (b"Content-Type: \xff\xfe\r\n", 415),
        (b"Content-Type: application/json; charset=latin-1\r\n", 415),
        (JSON + b"Content-Type: text/plain\r\n", 415),
        (JSON + b"Content-Encoding: gzip\r\n", 415),
        (JSON + b"Content-Encoding: identity, br\r\n", 415),
    ],
)
def test_a_body_is_json_in_utf_8_as_it_is(service: Service, headers: bytes, status: int) -> None:
    answers = send(service, request(POST, headers, LENGTH, body=BODY), LAST)
    assert answers.statuses == [status, 200]
    if status == 415:
        assert answers.codes == ["unsupported_media_type"]
        assert b"\r\naccept" in answers.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "a", "prompt": "b"}',
        b'{"prompt": "a", "labels": {"k": "1", "k": "2"}}',
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        BODY + BODY,
        b'{"prompt": "a\x00b"}',
        b'{"prompt": "a", "labels": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(service: Service, body: bytes) -> None:
    answer = service.http.post("/generate", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("x=1", [""]),
        ("wait=1&wait=2", ["/wait"]),
        ("wait=1&wait=1&%00=%00&y=", ["/wait", "", ""]),
        ("Wait=1", [""]),
        ("wait", ["/wait"]),
        ("wait=%ff", ["/wait"]),
        ("wait=nan", ["/wait"]),
        ("wait=1e999", ["/wait"]),
    ],
)
def test_a_query_holds_what_the_operation_has_and_each_once(service: Service, query: str, pointers: list[str]) -> None:
    for method in ("GET", "HEAD"):
        answer = service.http.request(method, f"{NEVER}?{query}")
        assert answer.status_code == 422
    problem = service.http.get(f"{NEVER}?{query}").json()
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert service.http.get(f"{NEVER}?&&").status_code == 404


def test_a_parameter_that_is_a_list_can_be_given_often(service: Service) -> None:
    assert service.http.get("/jobs?status=queued&status=running&label=a:b&label=c:d").status_code == 200
    assert service.http.get("/jobs?status=queued&limit=1&limit=2").status_code == 422
