"""The atomic moves, on a real Valkey, as the service and the worker make them."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from rq import Queue
from rq.job import Job as RqJob
from rq.registry import StartedJobRegistry

from contract import keys, scripts
from contract.job import FIELDS, FROM_RQ, Job, JobStatus, job_from_record
from tests.submissions import OWNER, PARAMETERS, submission


class Line:
    """The scripts, by name."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def run(self, source: str, *arguments: Any) -> Any:
        return self.client.register_script(source)(args=arguments)

    def ask(self, job_id: str, **changes: Any) -> Any:
        """What submit.lua answers."""
        return self.run(scripts.SUBMIT, submission(job_id, **changes))

    def submit(self, job_id: str, **changes: Any) -> Job:
        kind, first_id, record, *_ = self.ask(job_id, **changes)
        assert kind == "accepted"
        return job_from_record(first_id, record, str)

    def fetch(self, job_id: str, owner: str = OWNER) -> Job:
        return job_from_record(job_id, self.run(scripts.FETCH, job_id, owner), str)

    def claim(self, execution_id: str = "e1", worker: str = "w") -> str | None:
        """The head alone."""
        return next(iter(self.claim_batch(1, execution_id, worker)), None)

    def claim_batch(
        self, images: int, execution_id: str = "e1", worker: str = "w", by_key: dict[str, int] | None = None
    ) -> list[str]:
        """The jobs that one pipeline call of so many images can draw."""
        limits = json.dumps({"images": images, "by_key": by_key or {}})
        return [claim[0] for claim in self.run(scripts.CLAIM, worker, execution_id, limits)]

    def cancel(self, job_id: str) -> Job:
        return job_from_record(job_id, self.run(scripts.CANCEL, job_id, OWNER), str)

    def finish(self, job_id: str, execution_id: str = "e1", status: str = "finished") -> int:
        return int(self.run(scripts.FINISH, f"{job_id}:{execution_id}", status))

    def expire_leases(self) -> None:
        for member in self.client.zrange(keys.LEASES, 0, -1):
            self.client.zadd(keys.LEASES, {member: 1})

    def leftovers(self) -> set[str]:
        """Keys that only a job in line or running may have."""
        return {keys.LEASES, keys.HOLDERS, keys.STARTED, keys.WAITING, keys.QUEUE} & set(self.client.keys("*"))


@pytest.fixture
def line(client: redis.Redis) -> Line:
    return Line(client)


def test_a_submitted_job_is_queued_with_its_parameters(line: Line) -> None:
    job = line.submit("a")
    assert (job.status, job.queue_position, job.parameters, job.attempts) == (JobStatus.QUEUED, 1, PARAMETERS, 0)
    assert abs((job.created_at - datetime.now(UTC)).total_seconds()) < 5
    assert line.fetch("a") == job


def test_a_submit_whose_answer_was_lost_can_be_sent_again(line: Line) -> None:
    first = line.submit("a")
    assert line.submit("a") == first
    line.claim()
    assert line.submit("a").status is JobStatus.RUNNING
    assert line.claim("e2") is None


def test_jobs_are_claimed_in_the_order_in_which_they_came(line: Line) -> None:
    for name in "abc":
        line.submit(name)
    assert [line.fetch(name).queue_position for name in "abc"] == [1, 2, 3]
    assert [line.claim(f"e{name}") for name in "abc"] == ["a", "b", "c"]
    assert line.claim() is None


def test_a_claimed_job_runs_and_has_no_position(line: Line) -> None:
    line.submit("a")
    line.claim()
    job = line.fetch("a")
    assert (job.status, job.queue_position, job.attempts) == (JobStatus.RUNNING, None, 1)
    assert job.timings.queued_seconds is not None


def test_a_finished_job_leaves_nothing_behind_but_its_record(line: Line) -> None:
    line.submit("a")
    line.claim()
    assert line.finish("a") == 1
    job = line.fetch("a")
    assert job.status is JobStatus.SUCCEEDED
    assert job.completed_at is not None
    assert job.expires_at is not None
    assert (job.expires_at - job.completed_at).total_seconds() == pytest.approx(3600, abs=0.01)
    assert line.leftovers() == set()


def test_an_execution_without_its_lease_changes_nothing(line: Line) -> None:
    line.submit("a")
    line.claim("e1")
    line.expire_leases()
    line.run(scripts.REAP, "expired")
    assert line.finish("a", "e1") == 0
    assert line.fetch("a").status is JobStatus.QUEUED
    line.claim("e2")
    assert line.finish("a", "e1") == 0
    assert line.finish("a", "e2") == 1
    assert line.finish("a", "e2") == 0


def test_the_end_of_a_job_is_published_once(line: Line) -> None:
    line.submit("a")
    line.claim()
    with line.client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.EVENTS)
        pubsub.get_message(timeout=1)
        line.finish("a")
        line.finish("a")
        assert (pubsub.get_message(timeout=1) or {})["data"] == "a 3 succeeded "
        assert pubsub.get_message(timeout=0.1) is None


def test_that_a_job_is_in_line_is_kept_but_not_published_for_nobody_knows_its_id(line: Line) -> None:
    with line.client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.EVENTS)
        pubsub.get_message(timeout=1)
        line.submit("a")
        line.claim()
        assert (pubsub.get_message(timeout=1) or {})["data"] == "a 2 running 1"
    assert [fields["type"] for _, fields in line.client.xrange(keys.EVENTS_PREFIX + "a")] == ["queued", "running"]


def test_a_lease_that_ran_out_puts_the_job_back_where_it_stood(line: Line) -> None:
    for name in "abc":
        line.submit(name)
    line.claim()
    line.expire_leases()
    assert line.run(scripts.REAP, "expired") == ["a requeued"]
    assert [line.fetch(name).queue_position for name in "abc"] == [1, 2, 3]
    assert line.claim("e2") == "a"
    assert line.fetch("a").attempts == 2


def test_a_lease_that_is_renewed_does_not_run_out(line: Line) -> None:
    line.submit("a")
    line.claim()
    line.expire_leases()
    assert line.run(scripts.BEAT, "w", "{}", "a:e1", 1, 2) == [1]
    assert line.run(scripts.REAP, "expired") == []
    progress = line.fetch("a").progress
    assert progress is not None
    assert (progress.step, progress.total) == (1, 2)


def test_a_beat_without_a_lease_is_told_so_and_writes_nothing(line: Line) -> None:
    line.submit("a")
    assert line.run(scripts.BEAT, "w", "{}", "a:e1", 1, 2) == [0]
    assert line.fetch("a").progress is None


def test_the_third_crash_fails_the_job(line: Line) -> None:
    line.submit("a")
    for attempt in range(3):
        line.claim(f"e{attempt}")
        line.expire_leases()
        line.run(scripts.REAP, "expired")
    job = line.fetch("a")
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "worker_crashed"
    assert line.leftovers() == set()


def test_a_dead_workers_jobs_go_back_without_waiting_for_the_lease(line: Line) -> None:
    line.submit("a")
    line.claim("e1", worker="dead")
    assert line.run(scripts.REAP, "worker", "other") == []
    assert line.run(scripts.REAP, "worker", "dead") == ["a requeued"]


def test_a_released_job_counts_no_crash(line: Line) -> None:
    line.submit("a")
    for attempt in range(4):
        line.claim(f"e{attempt}")
        assert line.run(scripts.REAP, "released", f"a:e{attempt}") == ["a requeued"]


def test_leases_get_a_second_life_after_an_outage_in_which_nobody_could_renew_them(line: Line) -> None:
    line.submit("a")
    line.claim()
    line.expire_leases()
    line.client.hset(keys.REAPER, "seen", f"{time.time() - 30}")
    assert line.run(scripts.REAP, "expired") == []
    line.client.hset(keys.REAPER, "grace", f"{time.time() - 1}")
    assert line.run(scripts.REAP, "expired") == ["a requeued"]


@pytest.mark.parametrize("name", list("abc"))
def test_a_queued_job_is_canceled_at_once_and_the_line_closes_up(line: Line, name: str) -> None:
    for each in "abc":
        line.submit(each)
    job = line.cancel(name)
    assert job.status is JobStatus.CANCELED
    assert job.completed_at is not None
    rest = [each for each in "abc" if each != name]
    assert [line.fetch(each).queue_position for each in rest] == [1, 2]
    assert [line.claim(f"e{each}") for each in "abc"] == [*rest, None]


def test_a_running_job_is_asked_to_stop_through_the_beat(line: Line) -> None:
    line.submit("a")
    line.claim()
    assert line.cancel("a").status is JobStatus.RUNNING
    assert line.run(scripts.BEAT, "w", "{}", "a:e1", 0, 0) == [3]
    line.finish("a", status="canceled")
    assert line.cancel("a").status is JobStatus.CANCELED


def test_a_wish_for_previews_reaches_the_worker_through_the_beat(line: Line) -> None:
    line.submit("a")
    line.client.set(f"{keys.PREVIEW_PREFIX}a", 1)
    assert line.run(scripts.BEAT, "w", "{}", "a:e1", 0, 0) == [0]
    line.claim()
    assert line.run(scripts.BEAT, "w", "{}", "a:e1", 0, 0) == [5]
    line.cancel("a")
    assert line.run(scripts.BEAT, "w", "{}", "a:e1", 0, 0) == [7]


def test_a_job_whose_worker_died_after_it_was_canceled_does_not_run_again(line: Line) -> None:
    line.submit("a")
    line.claim()
    line.cancel("a")
    line.expire_leases()
    assert line.run(scripts.REAP, "expired") == ["a canceled"]
    assert line.fetch("a").status is JobStatus.CANCELED


def test_an_ended_job_stays_as_it_is_when_canceled(line: Line) -> None:
    line.submit("a")
    line.claim()
    line.finish("a")
    assert line.cancel("a").status is JobStatus.SUCCEEDED


def test_a_removed_job_leaves_nothing(line: Line) -> None:
    line.submit("a")
    line.claim()
    line.finish("a")
    line.run(scripts.REMOVE, "a", 0)
    assert line.run(scripts.FETCH, "a", OWNER) is None
    assert not line.client.exists(keys.EXPIRING, *keys.REGISTRIES.values())


def test_a_job_that_a_tool_deleted_while_it_ran_comes_back_as_nothing(line: Line) -> None:
    for name in "ab":
        line.submit(name)
        line.claim(f"e{name}")
        line.client.delete(f"rq:job:{name}")
    assert line.run(scripts.BEAT, "w", "{}", "a:ea", 1, 2) == [0]
    assert line.finish("a", "ea") == 0
    line.expire_leases()
    assert line.run(scripts.REAP, "expired") == []
    assert line.leftovers() == set()
    assert not line.client.exists("rq:job:a", "rq:job:b")


def test_a_job_that_a_tool_deleted_in_line_is_passed_over(line: Line) -> None:
    for name in "abc":
        line.submit(name)
    line.client.delete("rq:job:a", "rq:job:b")
    assert line.claim() == "c"


def test_rqs_own_classes_read_the_record(line: Line) -> None:
    line.submit("a")
    line.submit("b")
    connection = redis.Redis(connection_pool=redis.ConnectionPool.from_url(_url(line.client)))
    queue = Queue(keys.QUEUE_NAME, connection=connection)
    assert queue.job_ids == ["a"]
    line.claim()
    # Counting cleans up: RQ fails every job that it takes for abandoned, by the second.
    time.sleep(1.1)
    assert StartedJobRegistry(queue=queue).count == 1
    job = RqJob.fetch("a", connection=connection)
    assert job.get_status() == "started"
    assert job.worker_name == "w"
    assert job.started_at is not None
    line.finish("a")
    assert RqJob.fetch("a", connection=connection).is_finished
    assert queue.finished_job_registry.get_job_ids() == ["a"]
    connection.close()


def _url(client: redis.Redis) -> str:
    return f"unix://{client.connection_pool.connection_kwargs['path']}"


@pytest.mark.parametrize("moment", [0, 951782399, 951782400, 951868799, 951868800, 1709251199, 4102444799, 1735689599])
def test_times_are_written_as_rfc_3339(line: Line, moment: int) -> None:
    source = scripts.FETCH.replace("return record(ARGV[1], ARGV[2])", "return iso(tonumber(ARGV[1]))")
    assert line.run(source, f"{moment}.25") == datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.250000Z")


def test_every_status_that_the_scripts_write_is_one_of_ours() -> None:
    written = set(re.findall(r"'status', '(\w+)'|end_job\(\w+, '(\w+)'", "".join(_sources())))
    assert {first or second for first, second in written} <= set(FROM_RQ)


def _sources() -> list[str]:
    return [scripts.SUBMIT, scripts.CLAIM, scripts.CANCEL, scripts.FINISH, scripts.REAP]


def test_every_field_of_the_record_is_written_by_somebody() -> None:
    written = "".join(_sources()) + scripts.BEAT
    by_the_worker = {"images", "timings", "warnings", "batch_size", "rung"}
    for field in set(FIELDS) - by_the_worker:
        kind, colon, _ = field.partition(":")
        assert f"'{kind}{colon}'" in written, field
