import random

import redis

from contract import keys, scripts
from tests.contract.test_scripts import Line


def stored_bytes(client: redis.Redis) -> int:
    return int(client.get(keys.STORED_BYTES) or 0)


def sum_over_records(client: redis.Redis) -> int:
    return sum(int(client.hget(key, "stored_bytes") or 0) for key in client.scan_iter(keys.JOB_PREFIX + "*"))


def test_the_bytes_of_a_job_count_from_its_end_to_its_removal(client: redis.Redis) -> None:
    line = Line(client)
    line.submit("a")
    line.claim()
    assert stored_bytes(client) == 0
    line.run(scripts.FINISH, "a:e1", "finished", "stored_bytes", "700")
    assert stored_bytes(client) == 700
    line.run(scripts.REMOVE, "a", 0)
    assert stored_bytes(client) == 0


class Moves:
    """Whatever can happen to jobs, in an order of chance, late and repeated words of workers included."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._line = Line(client)
        self._chance = random.Random(1)
        self._executions = ["none:e"]
        self._number = 0

    def make(self, count: int) -> None:
        moves = [self.submit, self.claim, self.claim, self.finish, self.finish, self.expire, self.cancel, self.remove]
        for _ in range(count):
            self._number += 1
            self._chance.choice(moves)()

    def submit(self) -> None:
        self._line.submit(f"job{self._number}")

    def claim(self) -> None:
        if job_id := self._line.claim(f"e{self._number}"):
            self._executions.append(f"{job_id}:e{self._number}")

    def finish(self) -> None:
        execution = self._chance.choice([self._executions[-1], self._chance.choice(self._executions)])
        status = self._chance.choice(["finished", "failed", "canceled"])
        fields = ["stored_bytes", str(self._chance.randrange(10**7))] if status == "finished" else []
        self._line.run(scripts.FINISH, execution, status, *fields)

    def expire(self) -> None:
        self._line.expire_leases()
        self._line.run(scripts.REAP, "expired")

    def cancel(self) -> None:
        self._line.run(scripts.CANCEL, self._chance.choice(self._executions).partition(":")[0])

    def remove(self) -> None:
        if ended := self._client.zrange(keys.EXPIRING, 0, -1):
            job_id = self._chance.choice(ended)
            for _ in range(self._chance.choice([1, 2])):
                self._line.run(scripts.REMOVE, job_id, 0)


def test_the_bytes_of_the_store_never_drift_from_the_sum_over_the_jobs(client: redis.Redis) -> None:
    moves, seen = Moves(client), []
    for _ in range(30):
        moves.make(50)
        seen.append(stored_bytes(client))
        assert seen[-1] == sum_over_records(client)
    assert len(set(seen)) > 10
    for job_id in client.zrange(keys.EXPIRING, 0, -1):
        Line(client).run(scripts.REMOVE, job_id, 0)
    assert stored_bytes(client) == sum_over_records(client) == 0
