"""What the workers say of themselves, for /readyz. Knows Redis; knows nothing of HTTP."""

from typing import cast

import redis.asyncio
from pydantic import BaseModel

from contract import keys
from contract.worker_state import WorkerState

_LOST_AFTER_SECONDS = 15
_FORGOTTEN_AFTER_SECONDS = 300


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
    seconds, _ = await client.time()
    reports = []
    told = cast(dict[str, str], await client.hgetall(keys.WORKERS))
    for name, text in sorted(told.items()):
        seen, _, state_json = text.partition(" ")
        silent_seconds = seconds - float(seen)
        if silent_seconds > _FORGOTTEN_AFTER_SECONDS:
            continue
        worker = WorkerState.model_validate_json(state_json)
        lost = silent_seconds > _LOST_AFTER_SECONDS and worker.state != "failed"
        reports.append(
            WorkerReport(
                name=name,
                pid=worker.pid,
                state="lost" if lost else worker.state,
                model=worker.model,
                device=worker.device,
                reason=worker.reason,
            )
        )
    return reports
