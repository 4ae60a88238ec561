"""Clocks that are set back, and jobs in line that submit.lua did not put there."""

import redis

from contract import keys, scripts
from tests.contract.test_scripts import Line
from tests.submissions import PARAMETERS


def an_hour_ahead(client: redis.Redis) -> float:
    return float(client.time()[0]) + 3600


def test_a_clock_that_is_set_back_keeps_no_dead_workers_job_running(client: redis.Redis) -> None:
    line, ahead = Line(client), an_hour_ahead(client)
    line.submit("a")
    line.claim()
    client.hset(keys.REAPER, mapping={"seen": ahead, "grace": ahead + keys.LEASE_SECONDS})
    client.zadd(keys.LEASES, {"a:e1": ahead + keys.LEASE_SECONDS})
    line.run(scripts.REAP, "expired")
    assert client.zscore(keys.LEASES, "a:e1") <= client.time()[0] + 1 + keys.LEASE_SECONDS
    line.expire_leases()
    assert line.run(scripts.REAP, "expired") == ["a requeued"]


def test_a_clock_that_is_set_back_makes_no_time_negative(client: redis.Redis) -> None:
    line = Line(client)
    for name in "ab":
        line.submit(name)
    line.claim()
    client.hset(f"{keys.JOB_PREFIX}a", "claimed_at", an_hour_ahead(client))
    line.run(scripts.BEAT, "w", '{"state":"ready"}', "a:e1", 1, 2)
    assert line.fetch("a").eta_seconds == 0
    line.finish("a")
    assert line.fetch("b").eta_seconds == 0


def test_a_job_in_line_that_the_service_did_not_put_there_ends_and_the_next_is_claimed(client: redis.Redis) -> None:
    line = Line(client)
    record = {"status": "queued", "data": "x", "parameters": PARAMETERS.model_dump_json(), "created_at": "now"}
    client.hset(f"{keys.JOB_PREFIX}stranger", mapping=record)
    client.rpush(keys.QUEUE, "stranger")
    line.submit("a")
    assert line.claim() == "a"
    assert client.hmget(f"{keys.JOB_PREFIX}stranger", "status", "error_code") == ["failed", "invalid_job"]
    assert client.zscore(keys.EXPIRING, "stranger") is not None
