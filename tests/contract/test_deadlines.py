"""A deadline counts from the submit, in line and out of it."""

import time

import pytest
import redis

from contract import keys, scripts
from contract.job import JobStatus
from tests.contract.test_scripts import Line


@pytest.fixture
def line(client: redis.Redis) -> Line:
    return Line(client)


def is_too_late(line: Line, job_id: str) -> bool:
    job = line.fetch(job_id)
    return job.status is JobStatus.FAILED and job.error is not None and job.error.code == "deadline_exceeded"


def test_a_job_that_is_too_late_is_not_claimed_and_fails(line: Line) -> None:
    for name, seconds in (("a", 0.02), ("b", 0.02), ("c", 60), ("d", 0.02)):
        line.submit(name, deadline_seconds=seconds)
    time.sleep(0.03)
    assert line.claim() == "c"
    assert [is_too_late(line, name) for name in "abcd"] == [True, True, False, True]
    assert line.claim("e2") is None
    line.finish("c")
    assert line.leftovers() == set()
    assert not line.client.exists(keys.DEADLINES, keys.OWNERS)


def test_a_job_that_is_too_late_fails_even_where_only_its_record_knows(line: Line) -> None:
    line.submit("a", deadline_seconds=0.02)
    line.client.zrem(keys.DEADLINES, "a")
    time.sleep(0.03)
    assert line.claim() is None
    assert is_too_late(line, "a")


def test_the_deadline_of_a_job_that_a_tool_deleted_is_forgotten(line: Line) -> None:
    line.submit("a", deadline_seconds=0.02)
    line.client.delete("rq:job:a")
    time.sleep(0.03)
    assert line.run(scripts.OVERDUE) == []
    assert not line.client.exists(keys.DEADLINES, "rq:job:a")


def test_a_job_that_was_claimed_in_time_is_not_failed_in_its_workers_place(line: Line) -> None:
    line.submit("a", deadline_seconds=0.05)
    line.claim()
    time.sleep(0.06)
    assert line.run(scripts.OVERDUE) == []
    assert line.fetch("a").status is JobStatus.RUNNING
    assert line.finish("a") == 1
    assert line.fetch("a").status is JobStatus.SUCCEEDED


def test_a_crash_gives_no_more_time(line: Line) -> None:
    submitted = line.submit("a", deadline_seconds=0.05)
    line.claim()
    time.sleep(0.06)
    line.expire_leases()
    assert line.run(scripts.REAP, "expired") == ["a requeued"]
    assert line.fetch("a").deadline_at == submitted.deadline_at
    assert line.claim() is None
    assert is_too_late(line, "a")


@pytest.mark.parametrize(
    ("timeout", "deadline", "seconds", "sentence"),
    [
        (5, 60, 5, "The job ran longer than 5 seconds."),
        (600, 60, 60, "The job was not done within 60 seconds of its submission."),
    ],
)
def test_a_worker_is_told_which_limit_comes_first(
    line: Line, timeout: int, deadline: int, seconds: int, sentence: str
) -> None:
    line.submit("a", timeout_seconds=timeout, deadline_seconds=deadline)
    ((*_, may_run, too_late, _),) = line.run(scripts.CLAIM, "w", "e", '{"images": 1}')
    assert float(may_run) == pytest.approx(seconds, abs=1)
    assert too_late == sentence


@pytest.mark.parametrize("way", ["finished", "failed", "canceled"])
def test_an_ended_job_has_no_deadline_left(line: Line, way: str) -> None:
    line.submit("a", deadline_seconds=0.05)
    if way == "canceled":
        line.cancel("a")
    else:
        line.claim()
        line.finish("a", status=way)
    ended = line.fetch("a")
    time.sleep(0.06)
    assert line.run(scripts.OVERDUE) == []
    assert line.fetch("a") == ended
    assert not line.client.exists(keys.DEADLINES)
