"""What happens to jobs without a request: a worker's moves and other owners' submits, by the real scripts."""

from collections.abc import Callable
from typing import Any

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

    def claim(self) -> str:
        job_id: str = self._claim(args=["w", "e", '{"images": 1}'])[0][0]
        return job_id

    def progress(self, job_id: str, step: int, total: int, client: redis.Redis | None = None) -> None:
        self._beat(args=["w", "{}", f"{job_id}:e", step, total], client=client)

    def crash(self) -> None:
        """The job goes back in line."""
        assert self._reap(args=["worker", "w"])

    def lose_the_lease(self, job_id: str) -> None:
        """The service's own reaper finds it."""
        self._client.zadd(keys.LEASES, {f"{job_id}:e": 1})

    def finish(self, job_id: str, status: str = "finished", *fields: str, client: redis.Redis | None = None) -> None:
        assert self._finish(args=[f"{job_id}:e", status, *fields], client=client)

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
