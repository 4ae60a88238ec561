"""What the scripts count: each job once, whoever ends it."""

import pytest
import redis

from contract import keys, scripts
from tests.contract.conftest import Turns


def counted(client: redis.Redis, metric: str) -> dict[str, float]:
    """By what stands behind the metric's name."""
    fields = client.hgetall(keys.COUNTERS).items()
    return {name.partition("|")[2]: float(value) for name, value in fields if name.startswith(f"{metric}|")}


def ask_metrics(turns: Turns) -> tuple[int, float, int]:
    """Jobs in line, the age of the oldest, and jobs running."""
    _, _, depth, oldest, running, _, _ = turns.line.run(scripts.METRICS)
    return int(depth), float(oldest), int(running)


def test_every_job_counts_once_whoever_ends_it(turns: Turns, client: redis.Redis) -> None:
    done, failed, canceled_in_line, canceled, late, crashed = turns.join("abcdef")
    turns.cancel(canceled_in_line)
    assert [turns.claim() for _ in range(5)] == [done, failed, canceled, late, crashed]
    turns.end(done)
    turns.line.run(scripts.FINISH, f"{failed}:e2", "failed", "error_code", "out_of_memory")
    turns.cancel(canceled)
    turns.end(canceled, "canceled")
    turns.line.run(scripts.FINISH, f"{late}:e4", "failed", "error_code", "deadline_exceeded")
    for _ in range(2):
        turns.crash(crashed)
        turns.claim()
    client.zadd(keys.LEASES, dict.fromkeys(client.zrange(keys.LEASES, 0, -1), 1))
    assert turns.line.run(scripts.REAP, "expired") == [f"{crashed} failed"]
    overdue = turns.join("a")[0]
    client.zadd(keys.DEADLINES, {overdue: 1})
    assert turns.line.run(scripts.OVERDUE) == [overdue]
    assert counted(client, "jobs_submitted") == {"pocket": 7}
    assert counted(client, "jobs_ended") == {"succeeded|pocket": 1, "failed|pocket": 4, "canceled|pocket": 2}
    failures = {"out_of_memory": 1, "deadline_exceeded": 2, "worker_crashed": 1}
    assert counted(client, "job_failures") == failures
    assert counted(client, "lease_takeovers") == {"requeued": 2, "failed": 1}


def test_what_changes_nothing_counts_for_nothing(turns: Turns, client: redis.Redis) -> None:
    (name,) = turns.join("a")
    before = client.hgetall(keys.COUNTERS)
    turns.line.ask(name, owner="a")
    turns.line.ask("x", owner="a", max_queued=1)
    turns.line.run(scripts.FINISH, f"{name}:stranger", "finished")
    turns.line.run(scripts.REAP, "worker", "stranger")
    assert client.hgetall(keys.COUNTERS) == before


def test_a_lease_that_is_given_back_is_no_takeover(turns: Turns, client: redis.Redis) -> None:
    (name,) = turns.join("a")
    turns.claim()
    turns.give_back(name)
    assert counted(client, "lease_takeovers") == {}


@pytest.mark.parametrize(("waited", "bucket"), [(3, "5"), (200, "300"), (601, "+Inf")])
def test_a_wait_falls_into_its_bucket_at_the_first_claim_alone(
    turns: Turns, client: redis.Redis, waited: float, bucket: str
) -> None:
    (name,) = turns.join("a")
    client.hincrbyfloat(f"rq:job:{name}", "submitted_at", -waited)
    turns.claim()
    turns.give_back(name)
    turns.claim()
    waits = counted(client, "queue_wait_seconds")
    assert waits.pop("sum") == pytest.approx(waited, abs=1.5)
    assert waits == {bucket: 1}


@pytest.mark.parametrize(("took", "error", "error_bucket", "ratio_bucket"), [(65, 45, "60", "4"), (0, 20, "30", "0.1")])
def test_what_a_submit_was_told_is_compared_with_what_came(
    turns: Turns, client: redis.Redis, took: int, error: int, error_bucket: str, ratio_bucket: str
) -> None:
    turns.ready("w")
    turns.pace(seconds=20, cost=1)
    (name,) = turns.join("a")
    client.hincrbyfloat(f"rq:job:{name}", "submitted_at", -took)
    turns.claim()
    turns.end(name)
    errors, ratios = counted(client, "eta_error_seconds"), counted(client, "eta_ratio")
    assert errors.pop("sum") == pytest.approx(error, abs=1.5)
    assert ratios.pop("sum") == pytest.approx(took / 20, abs=0.08)
    assert (errors, ratios) == ({error_bucket: 1}, {ratio_bucket: 1})


@pytest.mark.parametrize("status", ["failed", "canceled", "finished"])
def test_nothing_is_compared_without_a_prediction_or_a_success(turns: Turns, client: redis.Redis, status: str) -> None:
    if status != "finished":
        turns.ready("w")
        turns.pace(seconds=20, cost=1)
    (name,) = turns.join("a")
    turns.claim()
    turns.end(name, status)
    assert counted(client, "eta_ratio") == counted(client, "eta_error_seconds") == {}


def test_the_oldest_job_in_line_is_found_among_all_owners(turns: Turns, client: redis.Redis) -> None:
    assert ask_metrics(turns) == (0, 0, 0)
    names = turns.join("aabbc")
    assert turns.claim() == names[0]
    for name, age in zip(names, (900, 30, 300, 20, 10), strict=True):
        client.hincrbyfloat(f"rq:job:{name}", "submitted_at", -age)
    depth, oldest, running = ask_metrics(turns)
    assert (depth, running) == (4, 1)
    assert oldest == pytest.approx(300, abs=1)


def test_a_record_that_a_tool_wrote_breaks_no_count(turns: Turns, client: redis.Redis) -> None:
    (name,) = turns.join("a")
    client.hdel(f"rq:job:{name}", "submitted_at", "model")
    assert ask_metrics(turns)[:2] == (1, 0)
    turns.claim()
    turns.end(name)
    assert counted(client, "jobs_ended") == {"succeeded|": 1}
    assert counted(client, "queue_wait_seconds")["sum"] == 0
