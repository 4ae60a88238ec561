"""Whatever the scripts do, in an order of chance: every key of Redis says the same about every job."""

import json
import random
from typing import Any

import pytest
import redis

from contract import keys, scripts
from contract.grid import grid_from_record
from contract.job import FROM_RQ, job_from_record
from contract.webhook import WEBHOOK_EVENTS
from contract.worker_state import WorkerState
from tests.contract.test_scripts import Line
from tests.submissions import grid_submission

_OWNERS = ("ann", "bob", "cid")
_HOSTS = ("a.example", "b.example")
_RECEIVERS = [f"{owner} {host}" for owner in _OWNERS for host in _HOSTS]
_COUNTERS = {
    *(
        keys.SEQUENCES,
        keys.VIRTUAL_TIME,
        keys.CLAIMED,
        keys.PACE,
        keys.REAPER,
        keys.WORKERS,
        keys.QUEUES,
        keys.STORED_BYTES,
    ),
    keys.COUNTERS,
}
_BATCH_KEYS = ("pocket 64x64 2 DDIM", "pocket 64x64 2 DDIM guided", "")
_READY = WorkerState(state="ready", pid=1).model_dump_json()


class Chance:
    """Moves of clients, workers and chores, late and repeated ones included."""

    def __init__(self, client: redis.Redis, seed: int) -> None:
        self._client = client
        self._line = Line(client)
        self._random = random.Random(seed)
        self._number = 0
        self._executions: list[str] = []
        self._keys: list[tuple[str, str, str]] = []
        self._grids: list[tuple[str, str]] = []
        self._leases: list[tuple[str, str, str]] = []
        self.arrived: list[tuple[str, str]] = []

    def move(self) -> None:
        self._number += 1
        moves = (
            [self._submit] * 4
            + [self._claim] * 3
            + [self._finish] * 2
            + [
                self._beat,
                self._cancel,
                self._expire,
                self._release,
                self._worker_dies,
                self._make_late,
                self._overdue,
                self._remove,
                self._replay,
                self._read,
                self._list,
                self._history,
                self._resubmit,
                self._submit_grid,
                self._cancel_grid,
                self._read_grids,
                self._redeliver,
                self._time_goes_by,
            ]
            + [self._take_deliveries] * 3
            + [self._settle_delivery] * 3
        )
        self._random.choice(moves)()

    def _run(self, source: str, *arguments: Any) -> Any:
        return self._line.run(source, *arguments)

    def _submit(self) -> None:
        owner, name = self._random.choice(_OWNERS), f"{self._number:08}"
        changes: dict[str, Any] = {"owner": owner, "cost": self._random.choice([1, 5, 700, 53_687_091_200])}
        changes |= self._batching()
        if self._random.random() < 0.3:
            changes |= {"idempotency_key": f"k{self._number}", "fingerprint": "f"}
            self._keys.append((f"k{self._number}", owner, name))
        if self._random.random() < 0.3:
            changes |= {"requests_per_minute": 50}
        if self._random.random() < 0.6:
            events = self._random.sample(WEBHOOK_EVENTS, self._random.choice([1, 2, 4]))
            webhook = {"url": "https://hooks.example/", "events": events}
            changes |= {"webhook": json.dumps(webhook), "webhook_host": self._random.choice(_HOSTS)}
        if self._random.random() < 0.2:
            changes |= {"owner_max_queued": 3, "max_queued": 8}
        if self._line.ask(name, **changes)[0] == "accepted":
            self.arrived.append((name, owner))

    def _batching(self) -> dict[str, Any]:
        key = self._random.choice(_BATCH_KEYS)
        return {"batch_key": key, "exclusive": not key, "image_count": self._random.choice([1, 1, 2, 4])}

    def _submit_grid(self) -> None:
        owner, grid = self._random.choice(_OWNERS), f"g{self._number}"
        names = [f"{self._number:08}-{cell}" for cell in range(self._random.choice([1, 2, 5]))]
        changes: dict[str, Any] = {"owner": owner, "cost": self._random.choice([1, 700]), **self._batching()}
        if self._random.random() < 0.5:
            changes |= {"requests_per_minute": 50, "owner_max_queued": 6, "max_queued": 12}
        kind, *_ = self._run(scripts.SUBMIT, grid_submission(grid, names, **changes))
        if kind == "accepted":
            self._grids.append((grid, owner))
            self.arrived += [(name, owner) for name in names]

    def _grid(self) -> tuple[str, str]:
        return self._random.choice(self._grids[-5:] or [("none", "ann")])

    def _cancel_grid(self) -> None:
        grid, owner = self._grid()
        self._run(scripts.CANCEL_GRID, grid, self._random.choice([owner, *_OWNERS]))

    def _read_grids(self) -> None:
        grid, owner = self._grid()
        record = self._run(scripts.GRID, grid, owner)
        if isinstance(record, list):
            grid_from_record(grid, record).grid(str)
        _, grids = self._run(scripts.LIST_GRIDS, self._random.choice(_OWNERS), "+inf", 5)
        for name, each in grids:
            grid_from_record(name, each).summary(str)

    def _resubmit(self) -> None:
        if self.arrived:
            name, owner = self._random.choice(self.arrived)
            if self._client.exists(keys.JOB_PREFIX + name):
                assert self._line.ask(name, owner=owner)[0] == "accepted"

    def _replay(self) -> None:
        if self._keys:
            key, owner, _ = self._random.choice(self._keys)
            kind = self._line.ask(f"{self._number:08}", owner=owner, idempotency_key=key, fingerprint="f")[0]
            if kind == "accepted":
                self.arrived.append((f"{self._number:08}", owner))
            other = self._line.ask("x", owner=owner, idempotency_key=key, fingerprint="g")[0]
            assert other == "other_request"

    def _claim(self) -> None:
        limit, other = self._random.choice([1, 2, 4, 8]), self._random.choice([1, 4])
        limits = {"images": limit, "by_key": {_BATCH_KEYS[0]: other}}
        claims = self._run(scripts.CLAIM, f"w{self._random.randrange(3)}", f"e{self._number}", json.dumps(limits))
        jobs = [self._client.hgetall(keys.JOB_PREFIX + claim[0]) for claim in claims]
        for claim, job in zip(claims, jobs, strict=True):
            job_id, execution_id, owner, _, _, *rest, seconds, too_late, exclusive = claim
            assert all((job_id, execution_id, owner, *rest, too_late))
            assert float(seconds) >= 0
            assert exclusive == job["exclusive"]
            self._executions.append(f"{job_id}:{execution_id}")
        if len(jobs) > 1:
            (key,) = {job.get("batch_key") for job in jobs}
            assert key
            assert sum(int(job["image_count"]) for job in jobs) <= (other if key == _BATCH_KEYS[0] else limit)
            places = [(float(job["score"]), claim[0]) for claim, job in zip(claims, jobs, strict=True)]
            # Those behind it may have moved up on the way, where one that was too late stood before them.
            assert places[0] == min(places)

    def _execution(self) -> str:
        recent = self._executions[-4:] or ["none:e"]
        return self._random.choice([*recent, self._random.choice(self._executions or ["none:e"])])

    def _finish(self) -> None:
        status = self._random.choice(["finished", "finished", "failed", "canceled"])
        fields = ["stored_bytes", self._random.randrange(10**9)] if status == "finished" else []
        self._run(scripts.FINISH, self._execution(), status, *fields)

    def _beat(self) -> None:
        arguments = [
            part
            for _ in range(self._random.randrange(3))
            for part in (self._execution(), self._random.randrange(9), self._random.choice([0, 8]))
        ]
        self._run(scripts.BEAT, f"w{self._random.randrange(3)}", _READY, *arguments)

    def _cancel(self) -> None:
        name, owner = self._job()
        self._run(scripts.CANCEL, name, self._random.choice([owner, *_OWNERS]))

    def _job(self) -> tuple[str, str]:
        return self._random.choice(self.arrived[-12:] or [("none", "ann")])

    def _expire(self) -> None:
        for member in self._client.zrange(keys.LEASES, 0, -1):
            if self._random.random() < 0.5:
                self._client.zadd(keys.LEASES, {member: 1})
        self._run(scripts.REAP, "expired")

    def _release(self) -> None:
        self._run(scripts.REAP, "released", self._execution())

    def _worker_dies(self) -> None:
        self._run(scripts.REAP, "worker", f"w{self._random.randrange(3)}")

    def _make_late(self) -> None:
        for name, _ in self._random.sample(self.arrived[-12:], min(3, len(self.arrived[-12:]))):
            if self._client.zscore(keys.DEADLINES, name) is not None:
                self._client.zadd(keys.DEADLINES, {name: 1})
                self._client.hset(keys.JOB_PREFIX + name, "deadline", "1.000000")

    def _overdue(self) -> None:
        self._run(scripts.OVERDUE)
        for name in self._client.zrangebyscore(keys.DEADLINES, "-inf", 2):
            assert self._client.hget(keys.JOB_PREFIX + name, "status") == "started"

    def _remove(self) -> None:
        if ended := self._client.zrange(keys.EXPIRING, 0, -1):
            for _ in range(2):
                self._run(scripts.REMOVE, self._random.choice(ended), self._random.choice([0, 1]))

    def _read(self) -> None:
        name, owner = self._job()
        record = self._run(scripts.FETCH, name, owner)
        if isinstance(record, list):
            job_from_record(name, record, str)

    def _list(self) -> None:
        filters = [{}, {"statuses": ["queued"]}, {"model": "pocket"}]
        text = json.dumps(self._random.choice(filters))
        _, jobs = self._run(scripts.LIST, self._random.choice(_OWNERS), "+inf", 5, text)
        for name, record in jobs:
            job_from_record(name, record, str)

    def _history(self) -> None:
        name, owner = self._job()
        self._run(scripts.HISTORY, name, owner, 0)

    def _take_deliveries(self) -> None:
        share = self._random.choice([1, 2, 9])
        calling = [
            part for each in _RECEIVERS if self._random.random() < 0.2 for part in (each, self._random.randrange(3))
        ]
        _, taken = self._run(scripts.TAKE_DELIVERIES, self._random.choice([1, 5]), share, *calling)
        for _, name, event, lease, _, _, record in taken:
            job = job_from_record(name, record, str)
            assert job.webhook is not None
            assert [each.state for each in job.webhook.deliveries if each.event == event] == ["pending"]
            self._leases.append((name, event, lease))

    def _settle_delivery(self) -> None:
        if self._leases:
            name, event, lease = self._random.choice(self._leases[-5:])
            state = self._random.choice(["delivered", "pending", "failed", "stopped"])
            delivery = {"id": "x", "event": event, "created_at": "2026-01-01T00:00:00Z", "state": state}
            delay = self._random.choice([0, 1000]) if state == "pending" else ""
            self._run(scripts.SETTLE_DELIVERY, name, event, lease, json.dumps(delivery), delay)

    def _redeliver(self) -> None:
        self._run(scripts.REDELIVER, *self._job())

    def _time_goes_by(self) -> None:
        """What was to come, and every lease of a delivery, is over."""
        for receiver in _RECEIVERS:
            for delivery in self._client.zrange(keys.DELIVERIES_PREFIX + receiver, 0, -1):
                self._client.zadd(keys.DELIVERIES_PREFIX + receiver, {delivery: 1})
                self._client.zadd(keys.RECEIVERS, {receiver: 1})

    def end_all(self) -> None:
        while self._line.claim_batch(4, f"z{self._number}"):
            self._number += 1
        for execution in self._client.zrange(keys.LEASES, 0, -1):
            assert self._run(scripts.FINISH, execution, "finished", "stored_bytes", 5) == 1
        for name in self._client.zrange(keys.EXPIRING, 0, -1):
            self._run(scripts.REMOVE, name, 0)


def scored(client: redis.Redis, name: str) -> dict[str, float]:
    return dict(client.zrange(name, 0, -1, withscores=True))


def check_deliveries(client: redis.Redis, records: dict[str, dict[str, str]]) -> None:
    """What is pending is due some time, and nothing else is."""
    due = {each: scored(client, keys.DELIVERIES_PREFIX + each) for each in _RECEIVERS}
    assert scored(client, keys.RECEIVERS) == {each: min(times.values()) for each, times in due.items() if times}
    pending = set()
    for name, job in records.items():
        wanted = json.loads(job.get("webhook", "{}")).get("events", [])
        for event in WEBHOOK_EVENTS:
            told = json.loads(job.get(f"delivery:{event}", "{}"))
            assert not told or event in wanted
            if told.get("state") == "pending":
                pending.add((f"{job['owner']} {job['webhook_host']}", f"{name}:{event}"))
            else:
                assert f"lease:{event}" not in job
        end = f"job.{FROM_RQ[job['status']].value}"
        assert (f"delivery:{end}" in job) >= (end in wanted)
    assert {(receiver, delivery) for receiver, times in due.items() for delivery in times} == pending


def check(client: redis.Redis, arrived: list[tuple[str, str]]) -> None:
    records = {key.removeprefix(keys.JOB_PREFIX): client.hgetall(key) for key in client.keys(keys.JOB_PREFIX + "*")}
    by = {status: {name for name, job in records.items() if job.get("status") == status} for status in FROM_RQ}
    assert sum(map(len, by.values())) == len(records)
    head, waiting = client.lrange(keys.QUEUE, 0, -1), scored(client, keys.WAITING)
    assert len(head) == (1 if by["queued"] else 0)
    assert set(head) | set(waiting) == by["queued"]
    assert not set(head) & set(waiting)
    order = sorted(by["queued"], key=lambda name: (float(records[name]["score"]), name))
    assert [*head, *waiting] == order
    owners = {records[name]["owner"] for name in by["queued"]}
    assert set(client.smembers(keys.OWNERS)) == owners
    assert {key.removeprefix(keys.LINE_PREFIX) for key in client.keys(keys.LINE_PREFIX + "*")} == owners
    for owner in owners:
        line = scored(client, keys.LINE_PREFIX + owner)
        assert list(line) == sorted(name for name in by["queued"] if records[name]["owner"] == owner)
        assert all(float(records[name]["score"]) == score for name, score in line.items())
        assert len(set(line.values())) == len(line)
    check_batches(client, {name: records[name] for name in by["queued"]})
    for name in by["started"]:
        assert int(records[name]["batch_cost"]) >= int(records[name]["cost"])
    leases = scored(client, keys.LEASES)
    assert {each.partition(":")[0] for each in leases} == by["started"]
    assert len(leases) == len(by["started"])
    assert set(scored(client, keys.STARTED)) == set(leases) == set(client.hkeys(keys.HOLDERS))
    assert set(scored(client, keys.DEADLINES)) == by["queued"] | by["started"]
    ended = by["finished"] | by["failed"] | by["canceled"]
    assert set(scored(client, keys.EXPIRING)) == ended
    for status, registry in keys.REGISTRIES.items():
        assert set(scored(client, registry)) == by[status]
    assert {key.removeprefix(keys.EVENTS_PREFIX) for key in client.keys(keys.EVENTS_PREFIX + "*")} == set(records)
    for owner in _OWNERS:
        assert set(scored(client, keys.JOBS_PREFIX + owner)) == {
            n for n, job in records.items() if job["owner"] == owner
        }
    stored = sum(int(job.get("stored_bytes", 0)) for job in records.values())
    assert int(client.get(keys.STORED_BYTES) or 0) == stored
    for name, job in records.items():
        stream = client.xrange(keys.EVENTS_PREFIX + name)
        assert [entry for entry, _ in stream] == [f"{n + 1}-0" for n in range(int(job["events"]))]
        told = [fields["type"] for _, fields in stream if fields["type"] != "progress"]
        assert told[-1] == FROM_RQ[job["status"]].value
        assert (client.ttl(keys.EVENTS_PREFIX + name) > 0) == (name in ended)
    check_grids(client, records)
    check_deliveries(client, records)
    line = Line(client)
    for position, name in enumerate(order, 1):
        job = line.fetch(name, records[name]["owner"])
        assert job.queue_position == position
        assert job.eta_seconds is None or job.eta_seconds >= 0
    arrivals = dict(arrived)
    assert set(records) <= set(arrivals)
    counted: dict[str, int] = {}
    for field, number in client.hgetall(keys.COUNTERS).items():
        metric, *labels = field.split("|")
        if labels[0] != "sum":
            counted[metric] = counted.get(metric, 0) + int(number)
    assert counted.get("jobs_submitted", 0) == len(arrived)
    assert counted.get("jobs_ended", 0) == len(arrived) - len(by["queued"]) - len(by["started"])
    assert counted.get("queue_wait_seconds", 0) >= len(by["started"])


def check_batches(client: redis.Redis, queued: dict[str, dict[str, str]]) -> None:
    """Every job in line that can share a pipeline call is in one set, at its place."""
    expected: dict[str, dict[str, float]] = {}
    for name, job in queued.items():
        assert "batch_cost" not in job
        if key := job.get("batch_key"):
            assert int(job.get("crashes", 0)) < keys.CRASHES_TO_BE_ALONE
            expected.setdefault(key, {})[name] = float(job["score"])
    found = client.keys(keys.BATCH_PREFIX + "*")
    assert {each.removeprefix(keys.BATCH_PREFIX): scored(client, each) for each in found} == expected


def check_grids(client: redis.Redis, records: dict[str, dict[str, str]]) -> None:
    grids = {
        each: client.hgetall(keys.GRID_PREFIX + each) for each in {job["grid_id"] for job in records.values()} - {""}
    }
    assert {key.removeprefix(keys.GRID_PREFIX) for key in client.keys(keys.GRID_PREFIX + "*")} == set(grids)
    for name, job in records.items():
        if job["grid_id"]:
            grid = grids[job["grid_id"]]
            assert name in grid["jobs"].split()
            assert grid["owner"] == job["owner"]
    for owner in _OWNERS:
        listed = scored(client, keys.GRIDS_PREFIX + owner)
        assert set(listed) == {each for each, grid in grids.items() if grid["owner"] == owner}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_key_agrees_with_every_record_whatever_happens(client: redis.Redis, seed: int) -> None:
    chance = Chance(client, seed)
    for _ in range(400):
        chance.move()
        check(client, chance.arrived)
    chance.end_all()
    check(client, chance.arrived)
    left = set(client.keys("*")) - _COUNTERS
    prefixes = (keys.IDEMPOTENCY_PREFIX, keys.RATE_PREFIX, keys.TOMBSTONE_PREFIX, keys.GRID_TOMBSTONE_PREFIX)
    assert not {key for key in left if not key.startswith(prefixes)}
    assert all(client.ttl(key) >= 0 for key in left)
    assert int(client.get(keys.STORED_BYTES) or 0) == 0
