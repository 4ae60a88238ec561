"""What happens to jobs without a request: a worker's moves and other owners' submits, by the real scripts."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import redis

from contract import keys, scripts


def submit_all(client: redis.Redis, submissions: list[str]) -> None:
    """In one go, past the service."""
    script = client.register_script(scripts.SUBMIT)
    with client.pipeline(transaction=False) as pipeline:
        for text in submissions:
            script(args=[text], client=pipeline)
        assert all(answer[0] == "accepted" for answer in pipeline.execute())


class Moves:
    """Those of one worker named `w`, which runs one job at a time. Each takes the client or a pipeline of it."""

    def __init__(self, client: redis.Redis) -> None:
        self._claim = client.register_script(scripts.CLAIM)
        self._beat = client.register_script(scripts.BEAT)
        self._reap = client.register_script(scripts.REAP)
        self._finish = client.register_script(scripts.FINISH)
        self._remove = client.register_script(scripts.REMOVE)
        self._client = client
        self._executions: dict[str, str] = {}

    def claim(self) -> str:
        job_id, execution_id = self._claim(args=["w", uuid4().hex, '{"images": 1}'])[0][:2]
        self._executions[job_id] = f"{job_id}:{execution_id}"
        return str(job_id)

    def execution(self, job_id: str) -> str:
        """The running one, whoever took it; of a job that nobody has, one that holds no lease."""
        if job_id in self._executions:
            return self._executions[job_id]
        held = (str(each) for each in self._client.hkeys(keys.HOLDERS))
        return next((each for each in held if each.startswith(job_id)), f"{job_id}:none")

    def image_key(self, job_id: str, output_format: str = "png") -> str:
        """Of its first image: under any other execution's name, the service's sweep would take it for an orphan."""
        return f"{self.execution(job_id).replace(':', '/')}-0.{output_format}"

    def progress(self, job_id: str, step: int, total: int, client: redis.Redis | None = None) -> None:
        self._beat(args=["w", "{}", self.execution(job_id), step, total], client=client)

    def crash(self) -> None:
        """The job goes back in line."""
        assert self._reap(args=["worker", "w"])

    def lose_the_lease(self, job_id: str) -> None:
        """The service's own reaper finds it."""
        self._client.zadd(keys.LEASES, {self.execution(job_id): 1})

    def finish(self, job_id: str, status: str = "finished", *fields: str, client: redis.Redis | None = None) -> None:
        assert self._finish(args=[self.execution(job_id), status, *fields], client=client)

    def remove(self, job_id: str, client: redis.Redis | None = None) -> None:
        self._remove(args=[job_id, 0], client=client)


def claim(client: redis.Redis) -> str:
    """Takes the next job as a worker does."""
    return Moves(client).claim()


def finish(client: redis.Redis, job_id: str, status: str = "finished", *fields: str) -> None:
    Moves(client).finish(job_id, status, *fields)


def eventful(moves: Moves, job_id: str) -> list[Callable[[], Any]]:
    """A job's life with a crash in it: ten events, of which the first is its submit."""
    return [
        moves.claim,
        lambda: moves.progress(job_id, 1, 4),
        lambda: moves.progress(job_id, 2, 4),
        moves.crash,
        moves.claim,
        *(lambda step=step: moves.progress(job_id, step, 4) for step in (1, 2, 4)),
        lambda: moves.finish(job_id),
    ]


def live(life: list[Callable[[], Any]]) -> None:
    for move in life:
        move()
