"""A request that is sent again under its Idempotency-Key is the same request: one job, whatever got lost in between."""

import http.client
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from contract import keys, scripts
from contract.parameters import JobRequest
from darkroom import valkey
from service.headers.idempotency import fingerprint
from tests.conftest import end, start_valkey, wait_until
from tests.contract.test_scripts import Line
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import claim, finish

BODY: dict[str, Any] = {"prompt": "a fox", "width": 64, "labels": {"a": "1", "b": "2"}}


def post(service: Service, key: str, body: dict[str, Any] = BODY, **headers: str) -> httpx.Response:
    return service.http.post("/generate", json=body, headers={"Idempotency-Key": key} | headers)


def accepted(answer: httpx.Response, *, replayed: bool) -> dict[str, Any]:
    job: dict[str, Any] = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers.get("idempotent-replayed") == ("true" if replayed else None)
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    return job


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def jobs_of(service: Service) -> list[str]:
    return [job["id"] for job in service.http.get("/jobs", params={"limit": 100}).json()["jobs"]]


def test_a_request_sent_again_is_answered_with_its_job_as_it_is_now(service: Service, client: redis.Redis) -> None:
    first = accepted(post(service, "k"), replayed=False)
    assert accepted(post(service, "k"), replayed=True) == first
    claim(client)
    assert accepted(post(service, "k"), replayed=True)["status"] == "running"
    finish(client, first["id"])
    ended = accepted(post(service, "k"), replayed=True)
    assert (ended["id"], ended["status"]) == (first["id"], "succeeded")
    assert ended["parameters"] == first["parameters"]
    assert jobs_of(service) == [first["id"]]


def test_a_key_is_one_jobs_and_no_key_is_nobodys(service: Service) -> None:
    ids = {accepted(post(service, key), replayed=False)["id"] for key in ("k", "K", "k2")}
    ids |= {service.submit(**BODY)["id"] for _ in range(2)}
    assert len(ids) == 5


def test_a_body_that_is_written_differently_is_the_same_request(service: Service) -> None:
    first = accepted(post(service, "k"), replayed=False)
    backwards = {name: BODY[name] for name in reversed(BODY)} | {"labels": {"b": "2", "a": "1"}}
    for text in (json.dumps(backwards, indent=4), " " + json.dumps(BODY).replace("fox", "\\u0066ox") + "\r\n"):
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json; charset=utf-8"}
        answer = service.http.post("/generate", content=text, headers=headers)
        assert accepted(answer, replayed=True) == first


@pytest.mark.parametrize(
    "spelled_out",
    [{"num_images_per_prompt": 1}, {"output_format": "png"}, {"seed": None, "labels": {}, "deadline_seconds": None}],
)
def test_a_default_that_is_spelled_out_is_the_same_request(service: Service, spelled_out: dict[str, Any]) -> None:
    first = accepted(post(service, "k", {"prompt": "a"}), replayed=False)
    assert accepted(post(service, "k", {"prompt": "a"} | spelled_out), replayed=True) == first


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a dog"}, {"seed": 1}, {"width": 72}, {"labels": {"a": "1"}}, {"deadline_seconds": 60}],
)
def test_a_key_does_not_serve_a_second_request(service: Service, change: dict[str, Any]) -> None:
    first = accepted(post(service, "k"), replayed=False)
    assert refused(post(service, "k", BODY | change)) == (422, "idempotency_key_reused")
    assert accepted(post(service, "k"), replayed=True) == first
    assert jobs_of(service) == [first["id"]]


def test_requests_are_told_apart_by_what_they_ask_for_alone() -> None:
    one = fingerprint(JobRequest(prompt="a", guidance_scale=1.0))
    assert one == fingerprint(JobRequest.model_validate_json('{"guidance_scale": 1, "prompt": "a"}'))
    assert one != fingerprint(JobRequest(prompt="a"))
    assert one != fingerprint(JobRequest(prompt="a", guidance_scale=1.0, negative_prompt=""))


def test_a_key_is_its_owners(service: Service, client: redis.Redis) -> None:
    accepted(post(service, "k"), replayed=False)
    stored = next(iter(client.scan_iter(f"{keys.IDEMPOTENCY_PREFIX}anonymous:*")))
    fields = {"idempotency_key": str(stored).rpartition(":")[2], "fingerprint": "another"}
    kind, *_ = Line(client).ask("b" * 32, owner="b", **fields)
    assert kind == "accepted"


def test_a_key_is_remembered_for_a_day_and_is_not_to_be_read_in_redis(service: Service, client: redis.Redis) -> None:
    accepted(post(service, "my secret key"), replayed=False)
    (stored,) = client.scan_iter(f"{keys.IDEMPOTENCY_PREFIX}*")
    assert 24 * 3600 - 60 < int(client.ttl(stored)) <= 24 * 3600
    assert "secret" not in str(stored)
    assert "secret" not in str(client.get(stored))


@pytest.mark.parametrize("tombstone_seconds", [60, 0])
def test_a_key_whose_job_is_no_longer_kept_is_told_so(
    service: Service, client: redis.Redis, tombstone_seconds: int
) -> None:
    job = accepted(post(service, "k"), replayed=False)
    service.http.post(f"/jobs/{job['id']}/cancel")
    client.register_script(scripts.REMOVE)(args=[job["id"], tombstone_seconds])
    assert refused(post(service, "k")) == (410, "job_expired")
    assert jobs_of(service) == []


def test_a_key_whose_job_was_deleted_is_told_so(service: Service) -> None:
    job = accepted(post(service, "k"), replayed=False)
    service.http.post(f"/jobs/{job['id']}/cancel")
    assert service.http.delete(f"/jobs/{job['id']}").status_code == 204
    assert refused(post(service, "k")) == (410, "job_expired")


def send(service: Service, *values: bytes) -> tuple[int, bytes]:
    """Posts with the header as often and as odd as given, which httpx would refuse to send."""
    connection = http.client.HTTPConnection("127.0.0.1", service.http.base_url.port, timeout=30)
    connection.putrequest("POST", "/generate")
    content = json.dumps(BODY).encode()
    for name, value in (("Content-Type", b"application/json"), ("Content-Length", str(len(content)).encode())):
        connection.putheader(name, value)
    for value in values:
        connection.putheader("Idempotency-Key", value)
    connection.endheaders(content)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("values", [[b"k" * 256], [b""], [b"a\tb"], [b"k", b"k"], [b"a", b"b"]])
def test_what_is_no_key_is_refused_by_name(service: Service, values: list[bytes]) -> None:
    status, text = send(service, *values)
    problem = json.loads(text)
    assert (status, problem["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in problem["errors"]] == ["/Idempotency-Key"]
    assert jobs_of(service) == []


@pytest.mark.parametrize("value", [b"a\x7fb", b"a\x00b", b"a\x1fb"])
def test_a_key_that_is_no_http_never_makes_a_job(service: Service, value: bytes) -> None:
    status, _ = send(service, value)
    assert status == 400
    assert jobs_of(service) == []


@pytest.mark.parametrize("value", [b"k" * 255, b"k", b"a, b", b'"8e03978e-40d5"', b"x y:z/%00", "schlüssel".encode()])
def test_whatever_can_be_printed_is_a_key(service: Service, value: bytes) -> None:
    status, first = send(service, value)
    again, second = send(service, value)
    assert (status, again) == (202, 202)
    assert json.loads(first)["id"] == json.loads(second)["id"]


def test_a_refused_request_does_not_use_its_key_up(service: Service) -> None:
    assert refused(post(service, "k", {"prompt": "a", "width": 1})) == (422, "validation_failed")
    assert refused(post(service, "k", {"prompt": "a", "deadline_seconds": 10**9})) == (422, "validation_failed")
    accepted(post(service, "k"), replayed=False)


def test_a_hundred_parallel_requests_with_one_key_make_one_job(service: Service) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(service, b"k"), range(100)))
    assert {status for status, _ in answers} == {202}
    jobs = [json.loads(text) for _, text in answers]
    ids = {job["id"] for job in jobs}
    assert len(ids) == len({job["parameters"]["seed"] for job in jobs}) == 1
    assert jobs_of(service) == list(ids)
    assert service.submit()["queue_position"] == 2


def connected(service: Service) -> socket.socket:
    """A client that has sent a whole request and read nothing of the answer."""
    content = json.dumps(BODY).encode()
    head = f"Host: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: {len(content)}"
    connection = socket.create_connection(("127.0.0.1", service.http.base_url.port or 0))
    connection.sendall(f"POST /generate HTTP/1.1\r\n{head}\r\n\r\n".encode() + content)
    return connection


def test_a_client_that_lost_the_reply_gets_its_job_with_the_next(service: Service, client: redis.Redis) -> None:
    with connected(service):
        wait_until(lambda: client.exists(f"{keys.JOBS_PREFIX}anonymous"))
    job = accepted(post(service, "k"), replayed=True)
    assert job["queue_position"] == 1
    assert jobs_of(service) == [job["id"]]


def test_clients_that_go_away_while_they_send_leave_one_job_and_no_traceback(
    redis_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = start_service(redis_url, tmp_path)
    for _ in range(20):
        connected(own).close()
    answer = post(own, "k")
    assert jobs_of(own) == [answer.json()["id"]]
    stop_service(own)
    assert "Traceback" not in capfd.readouterr().err


def test_a_request_sent_again_can_be_waited_for(service: Service, client: redis.Redis) -> None:
    job = accepted(post(service, "k"), replayed=False)
    claim(client)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(post, service, "k", Prefer="wait=20")
        time.sleep(0.3)
        assert not waiting.done()
        finish(client, job["id"])
        answer = waiting.result()
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, job["id"], "succeeded")
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.headers["preference-applied"] == "wait=20"
    assert post(service, "k", Prefer="wait=20").status_code == 200


def test_a_key_outlives_the_service_and_a_killed_valkey(tmp_path: Path) -> None:
    url = f"unix://{valkey.socket_path(tmp_path)}"
    server = start_valkey(tmp_path)
    first_service = start_service(url, tmp_path)
    first = accepted(post(first_service, "k"), replayed=False)
    end(first_service.process, signal.SIGKILL)
    end(server, signal.SIGKILL)
    server = start_valkey(tmp_path)
    second_service = start_service(url, tmp_path)
    try:
        assert accepted(post(second_service, "k"), replayed=True) == first
        assert jobs_of(second_service) == [first["id"]]
    finally:
        first_service.http.close()
        stop_service(second_service)
        end(server)
