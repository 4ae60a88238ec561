"""What the workers say of themselves and of the models. Knows Redis; knows nothing of HTTP."""

from collections.abc import Iterator, Mapping
from typing import cast

import redis.asyncio
from pydantic import BaseModel

from contract import keys
from contract.worker_state import ModelState, WorkerState

_FORGOTTEN_AFTER_SECONDS = 300
WORKER_STATES = ("loading", "ready", "failed", "lost")
_READINESS = {"warm": 2, "in_memory": 1, "cold": 0}


class WorkerReport(BaseModel):
    """A worker's own words, or `lost` where it has not been heard of for a while."""

    name: str
    pid: int
    state: str
    model: str | None
    device: str | None
    reason: str | None


async def read_workers(client: redis.asyncio.Redis) -> list[WorkerReport]:
    """Every worker heard of in the last minutes, by name. Raises RedisError."""
    told, seconds = await _ask(client)
    return worker_reports(told, seconds)


def worker_reports(told: Mapping[str, str], seconds: float) -> list[WorkerReport]:
    """The same from what is in keys.WORKERS, at that time of Redis."""
    return [
        WorkerReport(
            name=name,
            pid=worker.pid,
            state="lost" if silent and worker.state != "failed" else worker.state,
            model=worker.model,
            device=worker.device,
            reason=worker.reason,
        )
        for name, worker, silent in _heard_of(told, seconds)
    ]


async def read_model_states(client: redis.asyncio.Redis) -> dict[str, ModelState]:
    """By model id, as the worker tells it that is readiest for the model. Raises RedisError."""
    states: dict[str, ModelState] = {}
    for _, worker, silent in _heard_of(*await _ask(client)):
        if silent or worker.state != "ready":
            continue
        for model_id, state in worker.models.items():
            if model_id not in states or _readiness(state) > _readiness(states[model_id]):
                states[model_id] = state
    return states


def _readiness(state: ModelState) -> tuple[bool, int]:
    return bool(state.can_run), _READINESS[state.state]


async def _ask(client: redis.asyncio.Redis) -> tuple[dict[str, str], float]:
    seconds, _ = await client.time()
    return cast(dict[str, str], await client.hgetall(keys.WORKERS)), seconds


def _heard_of(told: Mapping[str, str], seconds: float) -> Iterator[tuple[str, WorkerState, bool]]:
    """Name and state of every worker heard of in the last minutes, and whether it has gone silent."""
    for name, text in sorted(told.items()):
        seen, _, state_json = text.partition(" ")
        silent_seconds = seconds - float(seen)
        if silent_seconds <= _FORGOTTEN_AFTER_SECONDS:
            yield name, WorkerState.model_validate_json(state_json), silent_seconds > keys.WORKER_SILENT_SECONDS
