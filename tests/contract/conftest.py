"""A line that several owners share, and what happens in it."""

import pytest
import redis

from contract import keys, scripts
from contract.job import Job
from contract.worker_state import WorkerState
from tests.contract.test_scripts import Line


class Turns:
    """Jobs of several owners, each named by its number in the order of arrival, then by its owner: `00007b`."""

    def __init__(self, client: redis.Redis) -> None:
        self.line = Line(client)
        self.client = client
        self._arrived = 0
        self._executions = 0

    def join(self, owners: str, cost: int = 1, batch_key: str = "") -> list[str]:
        """Submits one job for each letter, and returns their names."""
        return [self._join(owner, cost, batch_key) for owner in owners]

    def _join(self, owner: str, cost: int, batch_key: str) -> str:
        self._arrived += 1
        name = f"{self._arrived:05}{owner}"
        self.line.submit(name, owner=owner, cost=cost, batch_key=batch_key)
        return name

    def claim(self) -> str | None:
        self._executions += 1
        return self.line.claim(f"e{self._executions}")

    def claim_batch(self, images: int) -> list[str]:
        self._executions += 1
        return self.line.claim_batch(images, f"e{self._executions}")

    def claim_all(self) -> list[str]:
        return list(iter(self.claim, None))

    def owners(self, turns: int) -> str:
        """Whose jobs come next, as letters."""
        return "".join((self.claim() or "-")[-1] for _ in range(turns))

    def job(self, name: str) -> Job:
        return self.line.fetch(name, name[-1])

    def position(self, name: str) -> int | None:
        return self.job(name).queue_position

    def eta(self, name: str) -> float | None:
        return self.job(name).eta_seconds

    def cancel(self, name: str) -> None:
        self.line.run(scripts.CANCEL, name, name[-1])

    def end(self, name: str, status: str = "finished") -> None:
        """Of a running job."""
        assert self.line.run(scripts.FINISH, self._execution(name), status) == 1

    def crash(self, name: str) -> None:
        """Of the worker that runs the job."""
        self.client.zadd(keys.LEASES, {self._execution(name): 1})
        assert self.line.run(scripts.REAP, "expired") == [f"{name} requeued"]

    def give_back(self, name: str) -> None:
        """As a worker does that is told to stop while it runs the job."""
        assert self.line.run(scripts.REAP, "released", self._execution(name)) == [f"{name} requeued"]

    def _execution(self, name: str) -> str:
        leases = (str(each) for each in self.client.zrange(keys.LEASES, 0, -1))
        return next(each for each in leases if each.startswith(f"{name}:"))

    def in_line(self, owner: str) -> list[str]:
        return [str(name) for name in self.client.zrange(f"{keys.LINE_PREFIX}{owner}", 0, -1)]

    def ready(self, *workers: str) -> None:
        state = WorkerState(state="ready", pid=1).model_dump_json()
        for worker in workers:
            self.line.run(scripts.BEAT, worker, state)

    def pace(self, seconds: float, cost: int) -> None:
        self.client.hset(keys.PACE, mapping={"seconds": seconds, "cost": cost})

    def has_run(self, name: str, seconds: float, step: int = 0, total: int = 0) -> None:
        now, microseconds = self.client.time()
        self.client.hset(f"rq:job:{name}", "claimed_at", now + microseconds / 1e6 - seconds)
        if total:
            self.client.hset(f"rq:job:{name}", mapping={"step": step, "total": total})


@pytest.fixture
def turns(client: redis.Redis) -> Turns:
    return Turns(client)
