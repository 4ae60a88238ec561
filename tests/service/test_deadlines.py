"""A job that has not ended by its deadline fails, wherever it is by then."""

from datetime import datetime
from typing import Any

import pytest
import redis

from contract import keys
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.moves import Moves, claim


def job(service: Service, job_id: str) -> dict[str, Any]:
    document: dict[str, Any] = service.http.get(f"/jobs/{job_id}").json()
    return document


def end_of(service: Service, job_id: str, seconds: float) -> dict[str, Any]:
    """The job, once it has ended."""
    document: dict[str, Any] = wait_until(
        lambda: (found := job(service, job_id)) and found["completed_at"] and found, seconds
    )
    return document


def seconds_between(document: dict[str, Any], earlier: str, later: str) -> float:
    return (datetime.fromisoformat(document[later]) - datetime.fromisoformat(document[earlier])).total_seconds()


def test_a_job_that_is_still_in_line_at_its_deadline_fails(service: Service) -> None:
    first, second = service.submit(deadline_seconds=1), service.submit()
    failed = end_of(service, first["id"], 10)
    assert failed["status"] == "failed"
    assert failed["error"] == {
        "code": "deadline_exceeded",
        "detail": "The job was not done within 1 seconds of its submission.",
    }
    assert 1 <= seconds_between(failed, "created_at", "completed_at") < 3.5
    assert (failed["attempts"], failed["started_at"], failed["images"]) == (0, None, [])
    assert failed["expires_at"] is not None
    assert job(service, second["id"])["queue_position"] == 1


def test_many_jobs_that_are_too_late_at_once_all_fail(service: Service, client: redis.Redis) -> None:
    jobs = [service.submit()["id"] for _ in range(150)]
    kept = service.submit()["id"]
    client.zadd(keys.DEADLINES, dict.fromkeys(jobs, 1.0))
    wait_until(lambda: service.http.get("/jobs", params={"status": "failed"}).json()["next_cursor"], 5)
    wait_until(lambda: job(service, kept)["queue_position"] == 1, 5)
    assert job(service, jobs[-1])["error"]["code"] == "deadline_exceeded"


@pytest.mark.usefixtures("stub_worker")
def test_a_job_that_still_runs_at_its_deadline_fails(service: Service) -> None:
    long = service.submit(prompt="steps 400", deadline_seconds=1)
    failed = end_of(service, long["id"], 10)
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert failed["error"] == {
        "code": "deadline_exceeded",
        "detail": "The job was not done within 1 seconds of its submission.",
    }
    assert 1 <= seconds_between(failed, "created_at", "completed_at") < 3
    assert end_of(service, service.submit()["id"], 10)["status"] == "succeeded"


def test_a_job_whose_worker_is_gone_fails_at_the_deadline_that_it_had(service: Service, client: redis.Redis) -> None:
    submitted = service.submit(deadline_seconds=2)
    claim(client)
    Moves(client).lose_the_lease(submitted["id"])
    wait_until(lambda: job(service, submitted["id"])["status"] == "queued", 10)
    failed = end_of(service, submitted["id"], 10)
    assert failed["deadline_at"] == submitted["deadline_at"]
    assert (failed["error"]["code"], failed["attempts"]) == ("deadline_exceeded", 1)
    assert 2 <= seconds_between(failed, "created_at", "completed_at") < 5


def test_a_deadline_is_shown_as_a_time(service: Service) -> None:
    assert seconds_between(service.submit(deadline_seconds=90), "created_at", "deadline_at") == 90
    assert seconds_between(service.submit(deadline_seconds=86400), "created_at", "deadline_at") == 86400
    # Nobody waits for ever.
    assert seconds_between(service.submit(), "created_at", "deadline_at") == 86400
    assert seconds_between(service.submit(deadline_seconds=None), "created_at", "deadline_at") == 86400


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [(86401, "at most 86400"), (0, "1"), (-1, "1"), (1.5, "integer"), ("5", "integer"), (True, "integer")],
)
def test_a_deadline_that_cannot_be_taken_is_named_with_its_limit(service: Service, seconds: object, limit: str) -> None:
    answer = service.http.post("/generate", json={"prompt": "a", "deadline_seconds": seconds})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/deadline_seconds"
    assert limit in error["detail"]
