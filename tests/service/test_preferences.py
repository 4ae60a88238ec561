"""`Prefer: wait=N` on POST /generate: the answer is held until the job has ended, and says so."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis
from starlette.requests import Request

from service.headers.preferences import preferred_wait
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.moves import claim, finish


def preferring(*values: str, bare: int | None = None) -> int | None:
    headers = [(b"prefer", value.encode("latin-1")) for value in values]
    return preferred_wait(Request({"type": "http", "headers": headers}), bare)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ("WAIT=10", 10),
        ("Wait = 10", 10),
        ('wait="10"', 10),
        ('wait = "10" ; x=y', 10),
        ("wait=10;wait=20", 10),
        ("respond-async, wait=10", 10),
        ("return=minimal , handling=lenient;a=b,wait=5", 5),
        ("wait=10, wait=20", 10),
        (" , ,wait=10,", 10),
        ("wait=60", 60),
        ("wait=61", 60),
        ("wait=999999999", 60),
    ],
)
def test_a_wait_is_found_however_it_is_written(value: str, seconds: int) -> None:
    assert preferring(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "wait",
        "wait=",
        "wait=x",
        "wait=-1",
        "wait=1.5",
        "wait=1 2",
        "wait=\xb2",
        "await=10",
        "wait=" + "9" * 5000,
        "x=y;wait=10",
        'wait="10',
        'wait=10"',
        'x="wait=10"',
        'x="a, wait=10, b"',
        'x="a, wait=10',
        'x="a;b, wait=10"',
        "=;,\"'",
    ],
)
def test_what_is_no_wait_is_ignored(value: str) -> None:
    assert preferring(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("wait", 59), ("respond-async, Wait ; x=y", 59), ("wait=0", 0), ("wait=x", None), ("", None)]
)
def test_a_wait_without_a_number_is_what_the_route_says(value: str, seconds: int | None) -> None:
    assert preferring(value, bare=59) == seconds


def test_a_preference_may_come_in_a_header_of_its_own() -> None:
    assert preferring("respond-async", "wait=10") == 10
    assert preferring("wait=x", "wait=10") == 10
    assert preferring() is None


def post(service: Service, prefer: str) -> httpx.Response:
    return service.http.post("/generate", json={"prompt": "a fox"}, headers={"Prefer": prefer})


def test_a_job_that_ends_in_time_is_the_answer(service: Service, client: redis.Redis) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(post, service, "respond-async, wait=100")
        job_id = wait_until(lambda: service.http.get("/jobs").json()["jobs"])[0]["id"]
        time.sleep(0.2)
        assert not waiting.done()
        assert claim(client) == job_id
        ended = time.monotonic()
        finish(client, job_id)
        answer = waiting.result()
        assert time.monotonic() - ended < 2
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    # As it was applied, not as it was asked for.
    assert answer.headers["preference-applied"] == "wait=60"
    assert answer.headers["location"] == f"/jobs/{job_id}"
    assert "retry-after" not in answer.headers
    assert answer.json() == service.http.get(f"/jobs/{job_id}").json()


def test_a_job_that_does_not_end_in_time_is_answered_as_if_nobody_waited(service: Service) -> None:
    started = time.monotonic()
    answer = post(service, "wait=1")
    assert time.monotonic() - started >= 1
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert int(answer.headers["retry-after"]) >= 1
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("prefer", ["wait=0", "wait=x", "respond-async", "\xff"])
def test_nobody_waits_who_did_not_ask_to(service: Service, prefer: str) -> None:
    started = time.monotonic()
    answer = service.http.post("/generate", json={"prompt": "a"}, headers=[(b"Prefer", prefer.encode("latin-1"))])
    assert time.monotonic() - started < 5
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def test_a_refusal_is_not_waited_for(service: Service) -> None:
    started = time.monotonic()
    answer = service.http.post("/generate", json={"prompt": ""}, headers={"Prefer": "wait=20"})
    assert time.monotonic() - started < 5
    assert answer.status_code == 422
