"""Webhooks over HTTP: a real service process, real moves of jobs, a real receiver that verifies what it gets."""

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from contract import keys, scripts
from tests.conftest import end, wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import Moves
from tests.webhook_receiver import Receiver, Reply

RECEIVER = "anonymous 127.0.0.1"
ALL = ["job.running", "job.succeeded", "job.failed", "job.canceled"]


@pytest.fixture(scope="module")
def database(valkey_socket: Path) -> str:
    """Of these tests alone: the shared service would send what is due there, and may call nobody."""
    return f"unix://{valkey_socket}?db=5"


@pytest.fixture
def redis_url(database: str) -> Iterator[str]:
    yield database
    with redis.Redis.from_url(database) as client:
        client.flushdb()


@pytest.fixture(scope="module")
def process(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("webhooks")
    with (folder / "log").open("wb") as output:
        service = start_service(
            database,
            folder / "data",
            output=output,
            DARKROOM_WEBHOOK_ALLOW="127.0.0.0/30",
            DARKROOM_WEBHOOK_RETRY_SCALE="0.00001",
        )
        yield service
        stop_service(service)


@pytest.fixture
def service(process: Service, redis_url: str) -> Service:  # noqa: ARG001
    return process


@pytest.fixture(scope="module")
def shared_receiver() -> Iterator[Receiver]:
    with Receiver("127.0.0.1").serving() as receiver:
        yield receiver


@pytest.fixture
def receiver(shared_receiver: Receiver) -> Iterator[Receiver]:
    shared_receiver.open.clear()
    yield shared_receiver
    shared_receiver.open.set()


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """One of each test's own."""
    return f"/{request.node.name}"


def submit(service: Service, url: str, *events: str, **parameters: Any) -> str:
    webhook = {"url": url} | ({"events": list(events)} if events else {})
    job_id: str = service.submit(webhook=webhook, **parameters)["id"]
    return job_id


def secret(service: Service) -> str:
    text: str = service.http.get("/webhooks/secret").json()["secret"]
    return text


def deliveries(service: Service, job_id: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = service.http.get(f"/jobs/{job_id}").json()["webhook"]["deliveries"]
    return told


def settled(service: Service, job_id: str, state: str, seconds: float = 10) -> dict[str, Any]:
    """Its only delivery, once it is in that state."""
    wait_until(lambda: [each["state"] for each in deliveries(service, job_id)] == [state], seconds)
    return deliveries(service, job_id)[0]


def test_a_receiver_is_told_what_happens_to_a_job(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    job_id = submit(service, receiver.on(path), *ALL, labels={"a": "b"})
    moves.claim()
    (running,) = receiver.wait_for(path)
    assert running.verified(secret(service))["type"] == "job.running"
    moves.finish(job_id)
    _, ended = receiver.wait_for(path, 2)
    message = ended.verified(secret(service))
    job = service.http.get(f"/jobs/{job_id}").json()
    assert message["type"] == "job.succeeded"
    assert message["timestamp"] == job["completed_at"]
    assert message["data"] == job | {"webhook": {"url": receiver.url + path, "events": ALL, "deliveries": []}}
    assert running.id != ended.id
    assert ended.headers["content-type"] == "application/json"


def test_a_signature_is_an_hmac_over_id_time_and_body(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    job_id = submit(service, receiver.on(path))
    moves.claim()
    moves.finish(job_id)
    (received,) = receiver.wait_for(path)
    key = base64.b64decode(secret(service).removeprefix("whsec_"))
    assert len(key) == 32
    signed = f"{received.id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert received.headers["webhook-signature"] == f"v1,{digest}"


def test_without_events_a_receiver_is_told_of_the_end_alone(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    job_id = submit(service, receiver.on(path))
    moves.claim()
    moves.finish(job_id, "failed", "error_code", "out_of_memory", "error_detail", "x")
    assert settled(service, job_id, "delivered")["event"] == "job.failed"
    (received,) = receiver.received(path)
    assert received.verified(secret(service))["data"]["error"]["code"] == "out_of_memory"


def test_a_job_canceled_in_line_and_one_that_a_worker_canceled_are_told(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    in_line = submit(service, receiver.on(path), *ALL)
    service.http.post(f"/jobs/{in_line}/cancel")
    assert settled(service, in_line, "delivered")["event"] == "job.canceled"
    running = submit(service, receiver.on(path), "job.canceled")
    moves.claim()
    service.http.post(f"/jobs/{running}/cancel")
    moves.finish(running, "canceled")
    assert settled(service, running, "delivered")["event"] == "job.canceled"


def test_a_job_failed_by_the_reaper_is_told_and_runs_once(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    job_id = submit(service, receiver.on(path), *ALL)
    for _ in range(2):
        moves.claim()
        moves.crash()
    moves.claim()
    moves.lose_the_lease(job_id)
    messages = [each.verified(secret(service)) for each in receiver.wait_for(path, 2)]
    assert [message["type"] for message in messages] == ["job.running", "job.failed"]
    assert messages[1]["data"]["error"]["code"] == "worker_crashed"


def test_a_receiver_that_fails_is_tried_again_with_the_same_id_and_a_later_time(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    replies = (500, Reply(503, {"Retry-After": "1"}), 302, 404, 200)
    job_id = submit(service, receiver.on(path, *replies))
    moves.claim()
    moves.finish(job_id)
    tried = receiver.wait_for(path, 5)
    assert {each.verified(secret(service))["type"] for each in tried} == {"job.succeeded"}
    assert {each.id for each in tried} == {f"msg_{job_id}_succeeded"}
    times = [int(each.headers["webhook-timestamp"]) for each in tried]
    assert times == sorted(times)
    assert times[2] > times[1]  # as Retry-After asked for
    assert tried[2].at - tried[1].at >= 1
    told = settled(service, job_id, "delivered")
    assert [each["status_code"] for each in told["attempts"]] == [500, 503, 302, 404, 200]
    assert {each["error"] for each in told["attempts"]} == {None}
    assert all(0 <= each["seconds"] < 10 for each in told["attempts"])
    assert (told["id"], told["tries"], told["next_attempt_at"]) == (tried[0].id, 5, None)


def test_after_eleven_tries_a_delivery_has_failed(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    job_id = submit(service, receiver.on(path, 500))
    moves.claim()
    moves.finish(job_id)
    told = settled(service, job_id, "failed")
    assert (len(told["attempts"]), told["tries"], told["next_attempt_at"]) == (11, 11, None)
    assert len(receiver.received(path)) == 11


def test_a_redirect_is_not_followed(service: Service, receiver: Receiver, moves: Moves, path: str) -> None:
    location = receiver.on("/elsewhere")
    job_id = submit(service, receiver.on(path, Reply(307, {"Location": location}), Reply(301, {"Location": "/x"}), 200))
    moves.claim()
    moves.finish(job_id)
    told = settled(service, job_id, "delivered")
    assert [each["error"] for each in told["attempts"]] == ["redirect_not_followed", "redirect_not_followed", None]
    assert not receiver.received("/elsewhere")


def test_gone_stops_everything_that_the_job_has_to_tell(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    job_id = submit(service, receiver.on(path, 410, 200), *ALL)
    moves.claim()
    settled(service, job_id, "stopped")
    moves.finish(job_id)
    told = deliveries(service, job_id)
    assert [(each["event"], each["state"], len(each["attempts"])) for each in told] == [
        ("job.running", "stopped", 1),
        ("job.succeeded", "stopped", 0),
    ]
    # What comes later is sent: had it been due, the end would have been before that.
    other = submit(service, receiver.on(f"{path}/other"))
    moves.claim()
    moves.finish(other)
    settled(service, other, "delivered")
    assert len(receiver.received(path)) == 1


def test_everything_can_be_sent_again(service: Service, receiver: Receiver, moves: Moves, path: str) -> None:
    job_id = submit(service, receiver.on(path, 410, 200), "job.running", "job.succeeded")
    moves.claim()
    settled(service, job_id, "stopped")
    moves.finish(job_id)
    again = service.http.post(f"/jobs/{job_id}/webhook/redeliver")
    assert again.status_code == 202
    assert [each["state"] for each in again.json()["webhook"]["deliveries"]] == ["pending", "pending"]
    first, *rest = receiver.wait_for(path, 3)
    messages = {each.id: each.verified(secret(service))["type"] for each in rest}
    assert messages == {first.id: "job.running", f"msg_{job_id}_succeeded": "job.succeeded"}
    wait_until(lambda: {each["state"] for each in deliveries(service, job_id)} == {"delivered"})
    assert service.http.post(f"/jobs/{job_id}/webhook/redeliver").status_code == 202
    assert {each.id for each in receiver.wait_for(path, 5)[3:]} == set(messages)


def test_there_is_nothing_to_send_again_before_anything_happened(service: Service, receiver: Receiver) -> None:
    jobs = {
        service.submit()["id"]: "The job has no webhook.",
        submit(service, receiver.on("/x")): "The job has had nothing to tell its webhook yet.",
    }
    for job_id, detail in jobs.items():
        answer = service.http.post(f"/jobs/{job_id}/webhook/redeliver")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_redeliver")
        assert answer.json()["detail"] == detail
    assert service.http.post(f"/jobs/{'0' * 32}/webhook/redeliver").status_code == 404


def test_a_slow_receiver_holds_up_neither_others_nor_a_job(
    service: Service, receiver: Receiver, moves: Moves, path: str
) -> None:
    with Receiver("127.0.0.2").serving() as slow:
        slow.on(path, Reply(held=True))
        for _ in range(8):
            job_id = submit(service, slow.url + path)
            moves.claim()
            moves.finish(job_id)
            assert service.http.get(f"/jobs/{job_id}").json()["status"] == "succeeded"
        slow.wait_for(path, 4)
        job_id = submit(service, receiver.on(path))
        moves.claim()
        moves.finish(job_id)
        settled(service, job_id, "delivered")
        assert len(slow.received(path)) == 4  # its share, none of them answered yet
        slow.open.set()
        slow.wait_for(path, 8)


def test_a_service_that_is_killed_loses_nothing(database: str, receiver: Receiver, path: str, tmp_path: Path) -> None:
    """On a database of its own, where no other process goes on."""
    other = database.replace("db=5", "db=6")
    settings = {"DARKROOM_WEBHOOK_ALLOW": "127.0.0.1", "DARKROOM_WEBHOOK_RETRY_SCALE": "0.0001"}
    with redis.Redis.from_url(other, decode_responses=True) as client, (tmp_path / "log").open("wb") as output:
        moves = Moves(client)
        first = start_service(other, tmp_path, output=output, **settings)
        url = receiver.on(path, 500, 500, Reply(held=True), 200)
        job_id = submit(first, f"{url}?token=CANARY")
        moves.claim()
        moves.finish(job_id)
        before = receiver.wait_for(path, 3)  # and the process is in the middle of a try
        first.http.close()
        end(first.process, signal.SIGKILL)
        receiver.open.set()
        second = start_service(other, tmp_path, output=output, **settings)
        assert settled(second, job_id, "pending")["tries"] == 2
        client.zadd(f"{keys.DELIVERIES_PREFIX}{RECEIVER}", {f"{job_id}:job.succeeded": 1})  # as time would
        client.zadd(keys.RECEIVERS, {RECEIVER: 1})
        told = settled(second, job_id, "delivered")
        assert [each["status_code"] for each in told["attempts"]] == [500, 500, 200]
        assert receiver.received(path)[-1].verified(secret(second))["data"]["id"] == job_id
        assert {each.id for each in receiver.received(path)} == {before[0].id}
        receiver.open.clear()
        last = submit(second, receiver.on(f"{path}/last", Reply(held=True)))
        moves.claim()
        moves.finish(last)
        receiver.wait_for(f"{path}/last")
        second.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "webhooks_stopping" in (tmp_path / "log").read_text())
        receiver.open.set()
        stop_service(second)  # which waits for the answer, and puts it down
        assert json.loads(client.hget(f"rq:job:{last}", "delivery:job.succeeded") or "")["state"] == "delivered"
        client.flushdb()
    log = (tmp_path / "log").read_text()
    assert "webhook_try" in log
    assert "127.0.0.1" in log
    assert "CANARY" not in log
    assert path not in log


def test_two_services_deliver_everything_once(
    service: Service, database: str, receiver: Receiver, moves: Moves, path: str
) -> None:
    second = start_service(database, service.data_dir, DARKROOM_WEBHOOK_ALLOW="127.0.0.1")
    receiver.on(path, Reply(held=True))
    jobs = []
    for _ in range(20):
        jobs.append(submit(service, receiver.url + path))
        moves.claim()
        moves.finish(jobs[-1])
    receiver.wait_for(path, 8)  # a share of each of them
    receiver.open.set()
    wait_until(lambda: all(deliveries(service, job_id)[0]["state"] == "delivered" for job_id in jobs))
    stop_service(second)
    received = receiver.received(path)
    assert sorted(each.id for each in received) == [f"msg_{job_id}_succeeded" for job_id in jobs]
    assert {each.verified(secret(service))["data"]["id"] for each in received} == set(jobs)


def test_a_deleted_job_ends_its_deliveries(
    service: Service, receiver: Receiver, moves: Moves, client: redis.Redis, path: str
) -> None:
    job_id = submit(service, receiver.on(path, Reply(503, {"Retry-After": "600"})), *ALL)
    moves.claim()
    moves.finish(job_id)
    wait_until(lambda: [len(each["attempts"]) for each in deliveries(service, job_id)] == [1, 1])
    assert client.exists(keys.RECEIVERS)
    assert service.http.delete(f"/jobs/{job_id}").status_code == 204
    assert not client.exists(keys.RECEIVERS, f"{keys.DELIVERIES_PREFIX}{RECEIVER}")


def test_a_receiver_that_is_not_there_is_tried_again(service: Service, moves: Moves) -> None:
    with Receiver("127.0.0.1").serving() as gone:
        url = gone.url
    job_id = submit(service, url)
    moves.claim()
    moves.finish(job_id)
    attempts = wait_until(lambda: len(told := deliveries(service, job_id)[0]["attempts"]) > 1 and told)
    assert {(each["status_code"], each["error"]) for each in attempts} == {(None, "no_connection")}


def test_both_secrets_sign_after_a_rotation(service: Service, receiver: Receiver, moves: Moves, path: str) -> None:
    former = service.http.get("/webhooks/secret")
    assert former.json()["former_signs_until"] is None
    assert former.headers["cache-control"] == "no-store"
    rotated = service.http.post("/webhooks/secret/rotate")
    assert rotated.headers["cache-control"] == "no-store"
    assert rotated.json() == service.http.get("/webhooks/secret").json()
    assert rotated.json()["secret"] != former.json()["secret"]
    assert rotated.json()["former_signs_until"] is not None
    job_id = submit(service, receiver.on(path))
    moves.claim()
    moves.finish(job_id)
    (received,) = receiver.wait_for(path)
    for each in (rotated, former):
        assert received.verified(each.json()["secret"])["data"]["id"] == job_id
    assert len(received.headers["webhook-signature"].split()) == 2


def test_nothing_secret_lies_in_redis(service: Service, client: redis.Redis) -> None:
    texts = [secret(service)]
    texts.append(service.http.post("/webhooks/secret/rotate").json()["secret"])
    (name,) = client.keys(keys.WEBHOOK_SECRETS_PREFIX + "*")
    kept = client.lrange(name, 0, -1)
    for text in texts:
        assert not any(text.removeprefix("whsec_")[:8] in each for each in kept)


def test_a_job_without_a_webhook_shows_none(service: Service) -> None:
    assert service.submit()["webhook"] is None


def test_a_webhook_is_part_of_what_an_idempotency_key_stands_for(service: Service, receiver: Receiver) -> None:
    def post(**webhook: Any) -> int:
        body = {"prompt": "a fox", "webhook": {"url": receiver.on("/x")} | webhook}
        return service.http.post("/generate", json=body, headers={"Idempotency-Key": "k"}).status_code

    assert post() == 202
    assert post(events=["job.canceled", "job.failed", "job.succeeded"]) == 202  # what it means without them
    assert post(events=["job.failed"]) == 422


@pytest.mark.parametrize(
    ("webhook", "pointer"),
    [
        ({}, "/webhook/url"),
        ({"url": "https://hooks.example/" + "a" * 2048}, "/webhook/url"),
        ({"url": "https://hooks.example/", "events": []}, "/webhook/events"),
        ({"url": "https://hooks.example/", "events": ["job.failed", "job.failed"]}, "/webhook/events"),
        ({"url": "https://hooks.example/", "events": ["job.queued"]}, "/webhook/events/0"),
        ({"url": "https://hooks.example/", "secret": "x"}, "/webhook/secret"),
        ("https://hooks.example/", "/webhook"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_a_webhook_that_cannot_be_taken_is_refused_by_field(service: Service, webhook: Any, pointer: str) -> None:
    answer = service.http.post("/generate", json={"prompt": "a fox", "webhook": webhook})
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert "aaaa" not in answer.text


def test_a_lease_that_another_process_took_over_settles_nothing(client: redis.Redis) -> None:
    settle = client.register_script(scripts.SETTLE_DELIVERY)
    assert settle(args=["none", "job.failed", "1.000000", "{}", ""]) == 0
