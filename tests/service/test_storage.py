"""Room for pictures: what the service does when it runs short, and how it goes on."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
import redis.asyncio

from contract import keys, scripts
from contract.image_store import local_image_store
from contract.job import StoredImage, stored_images
from service.housekeeping.store_room import StoreRoom
from tests.conftest import wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import Moves, submit_all
from tests.submissions import submission

KILOBYTE = b"\0" * 1000

StartService = Callable[..., Service]


@pytest.fixture
def redis_url(valkey_socket: Path) -> Iterator[str]:
    """A database without the housekeeping of the service that the other tests share."""
    url = f"unix://{valkey_socket}?db=2"
    yield url
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[StartService]:
    """Starts a service with settings of its own."""
    services: list[Service] = []

    def start_one(**settings: int) -> Service:
        environment = {f"DARKROOM_{name.upper()}": str(value) for name, value in settings.items()}
        services.append(start_service(redis_url, tmp_path, **environment))
        return services[-1]

    yield start_one
    for service in services:
        stop_service(service)


def generate(service: Service) -> httpx.Response:
    return service.http.post("/generate", json={"prompt": "a fox"})


def store(service: Service, client: redis.Redis) -> str:
    """A job that ended with one picture of a kilobyte."""
    job_id: str = service.submit()["id"]
    moves = Moves(client)
    moves.claim()
    image = StoredImage(
        key=moves.image_key(job_id),
        index=0,
        seed=1,
        width=8,
        height=8,
        content_type="image/png",
        size_bytes=1000,
        sha256="",
    )
    local_image_store(service.data_dir / "images").put(image.key, KILOBYTE)
    images = stored_images.dump_json([image]).decode()
    moves.finish(job_id, "finished", "images", images, "stored_bytes", "1000")
    return job_id


def kept(service: Service, job_ids: list[str]) -> list[str]:
    return [job_id for job_id in job_ids if service.http.get(f"/jobs/{job_id}").status_code == 200]


def make_older(client: redis.Redis, job_ids: list[str]) -> None:
    for job_id in job_ids:
        client.hset(keys.JOB_PREFIX + job_id, "ended_at", "2001-01-01T00:00:00.000000Z")


def assert_full(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert int(answer.headers["retry-after"]) > 0


def test_with_a_full_disk_no_job_is_taken_and_everything_else_goes_on(start: StartService, client: redis.Redis) -> None:
    service = start(min_free_bytes=0)
    job_id = store(service, client)
    full = start(min_free_bytes=2**60)
    assert_full(generate(full))
    assert full.http.get(f"/jobs/{job_id}").json()["status"] == "succeeded"
    assert full.http.get(f"/images/{job_id}/0.png").content == KILOBYTE
    ready = full.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["store"] == "full, no new jobs"
    assert generate(service).status_code == 202


def test_a_full_disk_that_is_no_longer_full_is_noticed(tmp_path: Path, redis_url: str) -> None:
    poor, rich = sorted((tmp_path, Path("/dev")), key=lambda path: shutil.disk_usage(path).free)
    between = (shutil.disk_usage(poor).free + shutil.disk_usage(rich).free) // 2
    folder = tmp_path / "folder"

    async def check() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            room = StoreRoom(client, folder, between, None)
            folder.symlink_to(poor)
            assert await room.refusal()
            folder.unlink()
            folder.symlink_to(rich)
            assert await room.refusal()  # looked at a moment ago
            await asyncio.sleep(1.1)
            assert await room.refusal() is None

    asyncio.run(check())


def test_above_the_limit_the_results_that_ended_first_go(start: StartService, client: redis.Redis) -> None:
    service = start(minimum_retention_seconds=0)
    jobs = [store(service, client) for _ in range(20)]
    assert kept(service, jobs) == jobs
    stop_service(service)
    service = start(minimum_retention_seconds=0, store_limit_bytes=10_000)
    wait_until(lambda: client.get(keys.STORED_BYTES) == "9000")
    assert kept(service, jobs) == jobs[-9:]
    assert {path.name for path in (service.data_dir / "images").iterdir()} - {"check", "redis"} == set(jobs[-9:])
    assert client.zcard(keys.EXPIRING) == 9


def test_young_results_stay_and_no_job_is_taken_until_they_have_aged(start: StartService, client: redis.Redis) -> None:
    service = start(store_limit_bytes=5_000, minimum_retention_seconds=300)
    jobs = [store(service, client) for _ in range(5)]
    answer = wait_until(lambda: (answer := generate(service)).status_code == 507 and answer)
    assert_full(answer)
    assert service.http.get("/readyz").json()["store"] == "full, no new jobs"
    make_older(client, jobs[1:2])
    wait_until(lambda: kept(service, jobs) == [jobs[0], *jobs[2:]])
    wait_until(lambda: generate(service).status_code == 202)
    assert service.http.get("/readyz").json()["store"] == "ok"


def test_room_is_made_for_a_worker_that_asks_for_more_than_is_kept_free(
    start: StartService, client: redis.Redis
) -> None:
    service = start(store_limit_bytes=10_000)
    jobs = [store(service, client) for _ in range(8)]
    client.set(keys.ROOM_WANTED, 5_000)
    wait_until(lambda: generate(service).status_code == 507)
    make_older(client, jobs)
    wait_until(lambda: generate(service).status_code == 202)
    assert kept(service, jobs) == jobs[-5:]
    assert not client.exists(keys.ROOM_WANTED)


def test_a_job_whose_pictures_cannot_be_removed_holds_up_no_other(start: StartService, client: redis.Redis) -> None:
    service = start()
    first, second = store(service, client), store(service, client)
    # A name that is no UTF-8: the store cannot list such a folder, whoever asks.
    strange = os.fsencode(service.data_dir / "images" / first) + b"/\xff.png"
    os.close(os.open(strange, os.O_CREAT))
    client.zadd(keys.EXPIRING, {first: 1, second: 2})
    wait_until(lambda: kept(service, [second]) == [], 5)
    os.unlink(strange)
    wait_until(lambda: kept(service, [first]) == [], 5)


def test_room_is_made_in_time_behind_thousands_of_jobs_without_pictures(
    start: StartService,
    client: redis.Redis,
) -> None:
    service = start(store_limit_bytes=2000)
    names = [f"{number:032x}" for number in range(1500)]
    submit_all(client, [submission(name) for name in names])
    cancel = client.register_script(scripts.CANCEL)
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            cancel(args=[name, "anonymous"], client=pipeline)
            pipeline.hset(keys.JOB_PREFIX + name, "ended_at", "2001-01-01T00:00:00.000000Z")
        pipeline.execute()
    old = store(service, client)
    make_older(client, [old])
    client.set(keys.ROOM_WANTED, 1500)
    began = time.monotonic()
    wait_until(lambda: not client.exists(keys.ROOM_WANTED), 20)
    assert time.monotonic() - began < 5  # in one pass, and not in five


def test_a_deletion_that_redis_interrupts_is_finished_without_the_client(
    start: StartService, client: redis.Redis
) -> None:
    service = start()
    job_id = store(service, client)
    client.rename(keys.STORED_BYTES, "aside")
    client.lpush(keys.STORED_BYTES, "no number")  # the record cannot be removed
    assert service.http.delete(f"/jobs/{job_id}").status_code == 503
    client.rename("aside", keys.STORED_BYTES)
    wait_until(lambda: kept(service, [job_id]) == [], 5)
    assert int(client.get(keys.STORED_BYTES) or 0) == 0


def test_a_deleted_job_is_unknown_also_where_its_time_was_over(start: StartService, client: redis.Redis) -> None:
    service = start()
    job_id = store(service, client)
    remove = client.register_script(scripts.REMOVE)
    remove(args=[job_id, 60])
    assert service.http.get(f"/jobs/{job_id}").status_code == 410
    remove(args=[job_id, 0])
    assert service.http.get(f"/jobs/{job_id}").status_code == 404
