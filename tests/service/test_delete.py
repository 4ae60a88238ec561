import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from contract import keys
from contract.image_store import local_image_store
from tests.conftest import wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import Moves

UNKNOWN = "0" * 32
COUNTERS = {
    keys.COUNTERS,
    keys.SEQUENCES,
    keys.VIRTUAL_TIME,
    keys.PACE,
    keys.STORE_MARK,
    keys.REAPER,
    keys.WORKERS,
    keys.QUEUES,
}
"""What stays, however many jobs there were."""


def kept(client: redis.Redis) -> set[str]:
    return {key for key in map(str, client.keys("*")) if not key.startswith(keys.HOUSEKEEPING)} - COUNTERS


def succeed(service: Service, moves: Moves) -> str:
    """A job with a picture."""
    job_id: str = service.submit()["id"]
    assert moves.claim() == job_id
    key = moves.image_key(job_id)
    local_image_store(service.data_dir / "images").put(key, b"a picture")
    image = {"key": key, "index": 0, "seed": 1, "width": 64, "height": 64, "content_type": "image/png", "size_bytes": 9}
    moves.finish(job_id, "finished", "images", json.dumps([image | {"sha256": "0" * 64}]))
    assert service.http.get(f"/images/{job_id}/0.png").content == b"a picture"
    return job_id


def asked_of(service: Service, job_id: str) -> list[httpx.Response]:
    """All that can be asked of a job."""
    return [
        service.http.get(f"/jobs/{job_id}"),
        service.http.get(f"/jobs/{job_id}", params={"wait": 1}),
        service.http.get(f"/jobs/{job_id}/events"),
        service.http.get(f"/images/{job_id}/0.png"),
        service.http.head(f"/images/{job_id}/0.png"),
        service.http.post(f"/jobs/{job_id}/cancel"),
        service.http.delete(f"/jobs/{job_id}"),
    ]


def codes(answers: list[httpx.Response]) -> set[tuple[int, str]]:
    return {(answer.status_code, answer.json()["code"]) for answer in answers if answer.content}


def statuses(answers: list[httpx.Response]) -> set[int]:
    return {answer.status_code for answer in answers}


def test_a_deleted_job_is_gone_with_all_that_there_was_of_it(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    other = succeed(service, moves)
    before = kept(client)
    members = {name: client.zrange(name, 0, -1) for name in before if client.type(name) == "zset"}
    folders = set((service.data_dir / "images").iterdir())
    job_id = succeed(service, moves)
    assert kept(client) == before | {keys.JOB_PREFIX + job_id, keys.EVENTS_PREFIX + job_id}

    answer = service.http.delete(f"/jobs/{job_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert kept(client) == before
    assert {name: client.zrange(name, 0, -1) for name in members} == members
    assert set((service.data_dir / "images").iterdir()) == folders
    assert [job["id"] for job in service.http.get("/jobs").json()["jobs"]] == [other]
    assert service.http.get(f"/images/{other}/0.png").content == b"a picture"
    assert statuses(asked_of(service, job_id)) == {404}
    assert codes(asked_of(service, job_id)) == {(404, "job_not_found")}


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_however_a_job_ended_it_can_be_deleted(
    service: Service, moves: Moves, client: redis.Redis, status: str
) -> None:
    job_id = service.submit()["id"]
    moves.claim()
    moves.finish(job_id, status)
    assert service.http.delete(f"/jobs/{job_id}").status_code == 204
    assert kept(client) == set()


def test_a_job_that_has_not_ended_is_not_deleted(service: Service, moves: Moves) -> None:
    job_id = service.submit()["id"]
    for status in ("queued", "running"):
        answer = service.http.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_ended")
        assert service.http.get(f"/jobs/{job_id}").json()["status"] == status
        if status == "queued":
            moves.claim()
    moves.finish(job_id)
    assert service.http.delete(f"/jobs/{job_id}").status_code == 204


@pytest.mark.parametrize("job_id", [UNKNOWN, "x", "%ff", "*", "..%2f.."])
def test_a_job_that_is_not_there_cannot_be_deleted(service: Service, job_id: str) -> None:
    answer = service.http.delete(f"/jobs/{job_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_web_page_of_another_origin_deletes_nothing(service: Service, moves: Moves) -> None:
    job_id = succeed(service, moves)
    answer = service.http.delete(f"/jobs/{job_id}", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin_refused")
    assert service.http.get(f"/jobs/{job_id}").status_code == 200


def test_a_store_that_fails_keeps_the_job_until_it_works_again(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    job_id = succeed(service, moves)
    before = kept(client)
    images, aside = service.data_dir / "images", service.data_dir / "aside"
    images.rename(aside)
    images.touch()
    try:
        answer = service.http.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert service.http.get(f"/jobs/{job_id}").json()["status"] == "succeeded"
        assert kept(client) == before
    finally:
        images.unlink()
        aside.rename(images)
    assert service.http.delete(f"/jobs/{job_id}").status_code == 204
    assert not (images / job_id).exists()
    assert kept(client) == set()


def age(client: redis.Redis, service: Service, job_id: str) -> None:
    client.zadd(keys.EXPIRING, {job_id: 1})
    wait_until(lambda: not client.exists(keys.JOB_PREFIX + job_id))
    assert not (service.data_dir / "images" / job_id).exists()


def test_a_job_that_was_removed_by_its_age_is_gone_and_not_unknown(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    job_id = succeed(service, moves)
    age(client, service, job_id)
    assert statuses(asked_of(service, job_id)) == {410}
    assert codes(asked_of(service, job_id)) == {(410, "job_expired")}
    assert kept(client) == {keys.TOMBSTONE_PREFIX + job_id}
    assert 0 < client.ttl(keys.TOMBSTONE_PREFIX + job_id) <= 24 * 3600
    assert service.http.get("/jobs").json()["jobs"] == []


@pytest.fixture
def forgetful(
    valkey_socket: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Service, redis.Redis]]:
    """Tells for that many seconds of jobs that were removed; in a database where no other service removes any."""
    url = f"unix://{valkey_socket}?db=9"
    service = start_service(url, tmp_path, DARKROOM_TOMBSTONE_SECONDS=str(request.param))
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield service, client
        stop_service(service)
        client.flushdb()


@pytest.mark.parametrize("forgetful", [2], indirect=True)
def test_after_a_while_a_removed_job_is_unknown(forgetful: tuple[Service, redis.Redis]) -> None:
    service, client = forgetful
    job_id = succeed(service, Moves(client))
    age(client, service, job_id)
    assert service.http.get(f"/jobs/{job_id}").status_code == 410
    wait_until(lambda: service.http.get(f"/jobs/{job_id}").status_code == 404, 5)
    assert statuses(asked_of(service, job_id)) == {404}
    assert kept(client) == set()


@pytest.mark.parametrize("forgetful", [0], indirect=True)
def test_where_removed_jobs_are_not_told_of_they_are_unknown_at_once(
    forgetful: tuple[Service, redis.Redis],
) -> None:
    service, client = forgetful
    job_id = succeed(service, Moves(client))
    age(client, service, job_id)
    assert statuses(asked_of(service, job_id)) == {404}
    assert kept(client) == set()
