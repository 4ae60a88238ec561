"""Requests within and beyond their bounds: what is refused, with what words, and that nothing is left of it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from contract import keys
from tests.conftest import wait_until
from tests.contract.test_scripts import Line
from tests.service.conftest import Service, database, start_service, stop_service
from tests.service.moves import claim, finish
from tests.service.test_health import beat

BOUNDS = {
    "DARKROOM_MAX_QUEUED_JOBS": "4",
    "DARKROOM_OWNER_MAX_QUEUED_JOBS": "2",
    "DARKROOM_OWNER_REQUESTS_PER_MINUTE": "60",
    "DARKROOM_MAX_COST": "100000",
    "DARKROOM_MAX_DEADLINE_SECONDS": "100",
}
COST = 64 * 64 * 10
SMALL = {"prompt": "a fox", "width": 64, "height": 64, "num_inference_steps": 10}


@pytest.fixture(scope="module")
def bounded_service(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_service(database(valkey_socket), tmp_path_factory.mktemp("bounded"), **BOUNDS)
    yield service
    stop_service(service)


@pytest.fixture
def bounded(bounded_service: Service, redis_url: str) -> Service:  # noqa: ARG001
    """One process for all tests, with an empty queue for each."""
    return bounded_service


def post(service: Service, key: str | None = None, **changes: Any) -> httpx.Response:
    return service.http.post("/generate", json=SMALL | changes, headers={"Idempotency-Key": key} if key else {})


def submit(service: Service, number: int = 1) -> list[str]:
    answers = [post(service) for _ in range(number)]
    assert [answer.status_code for answer in answers] == [202] * number
    return [answer.json()["id"] for answer in answers]


def fill(client: redis.Redis, number: int, cost: int = COST) -> list[str]:
    """A job each of other owners."""
    names = [f"{index:x}".rjust(32, "f") for index in range(number)]
    for index, name in enumerate(names):
        Line(client).submit(name, owner=f"other{index}", cost=cost)
    return names


def assert_refused(answer: httpx.Response, status: int, code: str) -> int:
    """Retry-After, in seconds."""
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"].isdecimal()
    return int(answer.headers["retry-after"])


def everything(redis_url: str) -> dict[bytes, Any]:
    """All that is in Redis, but for what changes by itself."""
    with redis.Redis.from_url(redis_url) as client:
        by_itself = (keys.HOUSEKEEPING.encode(), keys.REAPER.encode())
        return {name: client.dump(name) for name in client.keys("*") if not name.startswith(by_itself)}


def test_a_full_line_is_told_with_when_to_come_back(bounded: Service, client: redis.Redis) -> None:
    fill(client, 4)
    # Nobody knows how fast the line goes.
    assert assert_refused(post(bounded), 503, "queue_full") == keys.UNKNOWN_WAIT_SECONDS
    assert "4 jobs" in post(bounded).json()["detail"]


def test_an_owner_with_many_jobs_in_line_is_told_to_wait_and_others_are_not(
    bounded: Service, client: redis.Redis
) -> None:
    submit(bounded, 2)
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") == keys.UNKNOWN_WAIT_SECONDS
    assert "2 jobs" in post(bounded).json()["detail"]
    fill(client, 2)


def test_a_canceled_job_frees_its_owners_place(bounded: Service) -> None:
    for canceled in range(2):
        jobs = submit(bounded, 2)
        assert post(bounded).status_code == 429
        bounded.http.post(f"/jobs/{jobs.pop(canceled)}/cancel")
        submit(bounded)
        assert post(bounded).status_code == 429
        for job in bounded.http.get("/jobs", params={"status": "queued"}).json()["jobs"]:
            bounded.http.post(f"/jobs/{job['id']}/cancel")


def test_a_claimed_job_frees_its_owners_place(bounded: Service, client: redis.Redis) -> None:
    submit(bounded, 2)
    assert post(bounded).status_code == 429
    claim(client)
    submit(bounded)
    assert post(bounded).status_code == 429


def test_a_claimed_job_frees_a_place_in_the_line_of_all(bounded: Service, client: redis.Redis) -> None:
    fill(client, 4)
    assert post(bounded).status_code == 503
    claim(client)
    submit(bounded)
    assert post(bounded).status_code == 503


def test_a_job_that_was_too_late_frees_its_place(bounded: Service, client: redis.Redis) -> None:
    late, _ = submit(bounded, 2)
    assert post(bounded).status_code == 429
    client.zadd(keys.DEADLINES, {late: 1})
    wait_until(lambda: post(bounded).status_code == 202, 10)


def test_when_to_come_back_follows_the_pace_of_the_workers(bounded: Service, client: redis.Redis) -> None:
    beat(client, "w", state="ready")
    client.hset(keys.PACE, mapping={"seconds": 7, "cost": COST})
    running = submit(bounded)[0]
    claim(client)
    submit(bounded, 2)
    # The owner's next job is taken when the running one has ended.
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") in (5, 6, 7)
    fill(client, 2)
    client.hset(f"rq:job:{running}", mapping={"step": 5, "total": 10, "claimed_at": time.time() - 20})
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") in (20, 21, 22)
    for each in bounded.http.get("/jobs", params={"status": "queued"}).json()["jobs"]:
        bounded.http.post(f"/jobs/{each['id']}/cancel")
    for name in ("c", "d"):
        Line(client).submit(name * 32, owner=name, cost=COST)
    # There is room for anybody when the first in line is taken.
    assert assert_refused(post(bounded), 503, "queue_full") in (20, 21, 22)


def test_an_owner_behind_others_is_told_to_wait_for_them_too(bounded: Service, client: redis.Redis) -> None:
    beat(client, "w", state="ready")
    client.hset(keys.PACE, mapping={"seconds": 7, "cost": COST})
    fill(client, 1, COST - 1)
    submit(bounded, 2)
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") == 7


def test_an_owner_whose_next_job_is_about_to_be_taken_is_told_to_come_back_in_a_second(
    bounded: Service, client: redis.Redis
) -> None:
    beat(client, "w", state="ready")
    client.hset(keys.PACE, mapping={"seconds": 7, "cost": COST})
    submit(bounded, 2)
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") == 1


def test_nobody_is_told_to_come_back_after_an_hour(bounded: Service, client: redis.Redis) -> None:
    beat(client, "w", state="ready")
    client.hset(keys.PACE, mapping={"seconds": 3600, "cost": COST})
    fill(client, 1, COST - 1)
    submit(bounded, 2)
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") == 600


def test_an_owner_may_submit_so_many_jobs_in_a_minute(bounded: Service, client: redis.Redis) -> None:
    started = time.monotonic()
    left = []
    while (answer := post(bounded)).status_code == 202:
        assert answer.headers["ratelimit-policy"] == '"submit";q=60;w=60'
        left.append(answer.headers["ratelimit"])
        finish(client, claim(client))
    seconds = time.monotonic() - started
    assert left[0] == '"submit";r=59;t=1'
    assert left[1] in ('"submit";r=58;t=2', '"submit";r=59;t=1')
    # One more for each second that it took.
    assert 60 <= len(left) <= 61 + seconds
    assert assert_refused(answer, 429, "rate_exceeded") == 1
    assert answer.headers["ratelimit-policy"] == '"submit";q=60;w=60'
    assert answer.headers["ratelimit"] in ('"submit";r=0;t=60', '"submit";r=0;t=59')
    assert "60 jobs in a minute" in answer.json()["detail"]


def test_the_allowance_comes_back_with_time(bounded: Service, client: redis.Redis) -> None:
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 60.3)
    assert assert_refused(post(bounded), 429, "rate_exceeded") in (1, 2)
    refilled = wait_until(lambda: (answer := post(bounded)).status_code == 202 and answer, 10)
    assert refilled.headers["ratelimit"].startswith('"submit";r=0;')


def test_an_allowance_that_is_far_gone_is_told_in_whole_seconds(bounded: Service, client: redis.Redis) -> None:
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 70)
    answer = post(bounded)
    assert assert_refused(answer, 429, "rate_exceeded") in (10, 11)
    assert answer.headers["ratelimit"] in ('"submit";r=0;t=70', '"submit";r=0;t=69')


def test_another_owner_has_its_own_allowance(bounded: Service, client: redis.Redis) -> None:
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 70)
    kind, *_ = Line(client).ask("b" * 32, owner="b", requests_per_minute=60)
    assert kind == "accepted"
    assert post(bounded).status_code == 429


def test_a_rate_too_high_to_be_measured_bounds_nothing(client: redis.Redis) -> None:
    kind, *_ = Line(client).ask("b" * 32, owner="b", requests_per_minute=10**9)
    assert kind == "accepted"


def test_where_there_is_no_rate_nothing_is_said_of_one(service: Service) -> None:
    assert "ratelimit" not in post(service).headers
    assert "ratelimit-policy" not in post(service).headers


def test_a_request_that_is_too_dear_is_told_what_it_costs_and_may(bounded: Service) -> None:
    answer = post(bounded, num_images_per_prompt=3)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/num_images_per_prompt"
    assert error["detail"] == (
        "width x height x num_inference_steps x num_images_per_prompt is 122880, must be at most 100000"
    )
    assert post(bounded, num_images_per_prompt=2).status_code == 202


def test_all_bounds_that_are_broken_are_named_at_once(bounded: Service) -> None:
    answer = post(bounded, num_images_per_prompt=3, deadline_seconds=101)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/num_images_per_prompt", "/deadline_seconds"]


@pytest.mark.parametrize("reason", ["invalid", "dear", "owner", "full", "rate", "key", "gone"])
def test_a_request_that_is_refused_leaves_nothing(
    bounded: Service, client: redis.Redis, redis_url: str, reason: str
) -> None:
    first = post(bounded, key="k").json()["id"]
    if reason == "owner":
        submit(bounded)
    if reason == "full":
        fill(client, 3)
    if reason == "rate":
        client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 70)
    if reason == "gone":
        bounded.http.post(f"/jobs/{first}/cancel")
        bounded.http.delete(f"/jobs/{first}")
    changes = {"invalid": {"width": 1}, "dear": {"num_images_per_prompt": 3}, "key": {"seed": 1}}.get(reason, {})
    before = everything(redis_url)
    answer = post(bounded, key="k" if reason in ("key", "gone") else "another", **changes)
    assert answer.status_code == {"invalid": 422, "dear": 422, "full": 503, "key": 422, "gone": 410}.get(reason, 429)
    assert everything(redis_url) == before


GRID = {"parameters": SMALL, "x": {"parameter": "seed", "values": [1, 2]}}


def test_a_grid_is_taken_as_a_whole_or_not_at_all(bounded: Service, client: redis.Redis, redis_url: str) -> None:
    first = submit(bounded)[0]
    before = everything(redis_url)
    answer = bounded.http.post("/grids", json=GRID, headers={"Idempotency-Key": "k"})
    assert assert_refused(answer, 429, "too_many_queued_jobs") == keys.UNKNOWN_WAIT_SECONDS
    assert "at most 2 jobs in line; these are 2 more" in answer.json()["detail"]
    assert everything(redis_url) == before
    bounded.http.post(f"/jobs/{first}/cancel")
    fill(client, 3)
    before = everything(redis_url)
    answer = bounded.http.post("/grids", json=GRID, headers={"Idempotency-Key": "k"})
    assert_refused(answer, 503, "queue_full")
    assert everything(redis_url) == before
    claim(client)
    assert bounded.http.post("/grids", json=GRID, headers={"Idempotency-Key": "k"}).status_code == 202


def test_a_grid_counts_as_its_jobs_against_the_rate(bounded: Service, client: redis.Redis) -> None:
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 59)
    answer = bounded.http.post("/grids", json=GRID)
    assert assert_refused(answer, 429, "rate_exceeded") == 1
    # One is left, as for a job.
    assert answer.headers["ratelimit"] in ('"submit";r=1;t=59', '"submit";r=1;t=58')
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 50)
    answer = bounded.http.post("/grids", json=GRID)
    assert answer.status_code == 202
    assert answer.headers["ratelimit"].startswith('"submit";r=8;')


@pytest.mark.parametrize(
    ("changes", "pointer", "word"),
    [
        ({"x": {"parameter": "seed", "values": [1, 2, 3]}}, "/x/values", "3 cells, must be at most 2"),
        ({"parameters": SMALL | {"num_images_per_prompt": 3}}, "/parameters/num_images_per_prompt", "122880"),
        ({"parameters": SMALL | {"deadline_seconds": 101}}, "/parameters/deadline_seconds", "100"),
    ],
)
def test_a_grid_that_could_never_be_taken_is_told_so(
    bounded: Service, redis_url: str, changes: dict[str, Any], pointer: str, word: str
) -> None:
    before = everything(redis_url)
    answer = bounded.http.post("/grids", json=GRID | changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert word in error["detail"]
    assert everything(redis_url) == before


def test_when_a_grid_has_room_follows_from_how_many_jobs_it_has(bounded: Service, client: redis.Redis) -> None:
    beat(client, "w", state="ready")
    client.hset(keys.PACE, mapping={"seconds": 7, "cost": COST})
    submit(bounded, 2)
    # Room for one is there when the first is taken, room for two when the first has ended and the second is taken.
    assert assert_refused(post(bounded), 429, "too_many_queued_jobs") == 1
    assert assert_refused(bounded.http.post("/grids", json=GRID), 429, "too_many_queued_jobs") == 7
    for each in bounded.http.get("/jobs").json()["jobs"]:
        bounded.http.post(f"/jobs/{each['id']}/cancel")
    fill(client, 4)
    assert assert_refused(post(bounded), 503, "queue_full") == 1
    assert assert_refused(bounded.http.post("/grids", json=GRID), 503, "queue_full") == 7


def test_what_was_refused_can_be_sent_again_under_its_key(bounded: Service, client: redis.Redis) -> None:
    names = fill(client, 4)
    assert post(bounded, key="k").status_code == 503
    for name in names:
        assert claim(client) == name
    jobs = submit(bounded, 2)
    assert post(bounded, key="k").status_code == 429
    bounded.http.post(f"/jobs/{jobs[0]}/cancel")
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 70)
    assert post(bounded, key="k").json()["code"] == "rate_exceeded"
    client.delete(f"{keys.RATE_PREFIX}anonymous")
    answer = post(bounded, key="k")
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers


def test_a_request_sent_again_is_no_second_one_to_any_bound(bounded: Service, client: redis.Redis) -> None:
    first = post(bounded, key="k").json()["id"]
    submit(bounded)
    fill(client, 2)
    client.set(f"{keys.RATE_PREFIX}anonymous", time.time() + 70)
    answer = post(bounded, key="k")
    assert (answer.status_code, answer.json()["id"]) == (202, first)
    assert answer.headers["idempotent-replayed"] == "true"
