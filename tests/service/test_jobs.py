import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis

from tests.conftest import wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import claim, finish


def test_waiting_for_a_job_returns_as_soon_as_it_ends(service: Service, client: redis.Redis) -> None:
    job_id = service.submit()["id"]
    claim(client)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.get, f"{service.url}/jobs/{job_id}?wait=20", timeout=30, trust_env=False)
        time.sleep(0.3)
        assert not waiting.done()
        ended = time.monotonic()
        finish(client, job_id)
        assert waiting.result().json()["status"] == "succeeded"
        # Far below the five seconds after which a waiting client looks again by itself.
        assert time.monotonic() - ended < 2


def test_waiting_ends_with_the_job_as_it_is_when_the_time_is_over(service: Service) -> None:
    job_id = service.submit()["id"]
    started = time.monotonic()
    answer = service.http.get(f"/jobs/{job_id}", params={"wait": "0.3"})
    assert answer.json()["status"] == "queued"
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("wait", ["61", "-1", "nan", "inf", "x", "9" * 5000])
def test_a_wait_that_is_no_time_up_to_a_minute_is_refused(service: Service, wait: str) -> None:
    answer = service.http.get("/jobs/00000000000000000000000000000000", params={"wait": wait})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"] == "/wait"


@pytest.mark.parametrize("job_id", ["0" * 32, "x", "..%2f..", "%00", "0" * 5000, "%ff", "*"])
def test_a_job_that_is_not_there_is_a_404(service: Service, job_id: str) -> None:
    for answer in (service.http.get(f"/jobs/{job_id}"), service.http.post(f"/jobs/{job_id}/cancel")):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_failed_job_shows_its_error(service: Service, client: redis.Redis) -> None:
    job_id = service.submit()["id"]
    claim(client)
    finish(client, job_id, "failed", "error_code", "out_of_memory", "error_detail", "too large")
    job = service.http.get(f"/jobs/{job_id}").json()
    assert job["status"] == "failed"
    assert job["error"] == {"code": "out_of_memory", "detail": "too large"}
    assert job["completed_at"] is not None


def test_canceling_is_repeatable(service: Service) -> None:
    job_id = service.submit()["id"]
    first, second = (service.http.post(f"/jobs/{job_id}/cancel") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["status"] == "canceled"


def test_a_hundred_parallel_submits_make_a_hundred_places_in_line(service: Service) -> None:
    with ThreadPoolExecutor(10) as pool:
        ids = [job["id"] for job in pool.map(lambda _: service.submit(), range(100))]
    positions = {service.http.get(f"/jobs/{job_id}").json()["queue_position"] for job_id in ids}
    assert positions == set(range(1, 101))


def test_a_lease_that_ran_out_is_reaped_by_the_service_itself(service: Service, client: redis.Redis) -> None:
    job_id = service.submit()["id"]
    claim(client)
    assert service.http.get(f"/jobs/{job_id}").json()["status"] == "running"
    wait_until(lambda: service.http.get(f"/jobs/{job_id}").json()["status"] == "queued", 15)


def test_many_can_wait_for_one_job(service: Service, client: redis.Redis) -> None:
    job_id = service.submit()["id"]
    claim(client)
    threads = 20
    ready = threading.Barrier(threads + 1)

    def wait() -> str:
        ready.wait()
        status: str = httpx.get(f"{service.url}/jobs/{job_id}?wait=20", timeout=30, trust_env=False).json()["status"]
        return status

    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(wait) for _ in range(threads)]
        ready.wait()
        time.sleep(0.3)
        finish(client, job_id)
        assert {each.result() for each in waiting} == {"succeeded"}


def test_whoever_waits_is_answered_when_the_service_stops(redis_url: str, tmp_path: Path) -> None:
    stopping = start_service(redis_url, tmp_path)
    job_id = stopping.submit()["id"]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.get, f"{stopping.url}/jobs/{job_id}?wait=30", timeout=30, trust_env=False)
        time.sleep(0.5)
        started = time.monotonic()
        stop_service(stopping)
        assert waiting.result().json()["status"] == "queued"
    assert time.monotonic() - started < 4
