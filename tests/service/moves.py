"""What happens to jobs without a request: a worker's moves and other owners' submits, by the real scripts."""

import json
from typing import Any

import redis

from contract import keys, scripts
from contract.parameters import GenerationParameters

PARAMETERS = GenerationParameters(
    prompt="a fox",
    negative_prompt="",
    model="pocket",
    width=64,
    height=64,
    num_inference_steps=2,
    guidance_scale=1.0,
    num_images_per_prompt=1,
    seed=1,
    scheduler="DDIM",
    output_format="png",
)


def submission(job_id: str, **changes: Any) -> str:
    """What submit.lua takes, without any owner's bounds."""
    ask = {
        "id": job_id,
        "owner": "anonymous",
        "model": PARAMETERS.model,
        "parameters": PARAMETERS.model_dump_json(),
        "labels": "{}",
        "cost": 1,
        "description": "a fox",
        "timeout_seconds": 600,
        "deadline_seconds": 3000,
        "retention_seconds": 3600,
        "max_queued": 10_000,
    }
    return json.dumps(ask | changes)


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
        job_id: str = self._claim(args=["w", "e"])[0][0]
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
