"""What a worker says of itself while it lives, and of the models that it can draw with."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.rung import Rung


class ModelState(BaseModel):
    """How a model stands in one worker."""

    model_config = ConfigDict(frozen=True)

    state: Annotated[
        Literal["warm", "in_memory", "cold"],
        Field(description="ready to draw; in the CPU's memory, moved to the device when asked for; not loaded"),
    ] = "cold"
    rung: Annotated[Rung | None, Field(description="how it is laid out, or would be; see docs/memory.md")] = None
    size_bytes: Annotated[int | None, Field(description="its weights in the precision that they are loaded in")] = None
    mean_seconds_per_image: Annotated[float | None, Field(description="since the worker started")] = None
    can_run: Annotated[bool | None, Field(description="whether its default size can be drawn; null: not known")] = None
    reason: Annotated[str | None, Field(description="why it cannot run")] = None


class WorkerState(BaseModel):
    """`failed` comes with the reason, and stays readable after the process is gone."""

    model_config = ConfigDict(frozen=True)

    state: Literal["loading", "ready", "failed"]
    pid: int
    model: str | None = None
    device: str | None = None
    reason: str | None = None
    models: dict[str, ModelState] = {}
    """By model id; every model on offer once the worker is ready."""
