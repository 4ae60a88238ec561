"""What a worker says of itself while it lives."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class WorkerState(BaseModel):
    """`failed` comes with the reason, and stays readable after the process is gone."""

    model_config = ConfigDict(frozen=True)

    state: Literal["loading", "ready", "failed"]
    pid: int
    model: str | None = None
    device: str | None = None
    reason: str | None = None
