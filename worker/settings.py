"""What the worker reads from the environment."""

import os
import socket
from typing import Annotated, Literal

from pydantic import Field

from contract.settings import ContractSettings

DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]
MemoryChoice = Literal["auto", "none", "model_offload", "sequential_offload"]


_LIBRARIES = {
    "DIFFUSERS_DISABLE_REMOTE_CODE": "true",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Read by the libraries when they are imported: no code from a model, no reports, no chatter."""


class WorkerSettings(ContractSettings):
    """Read once in `__main__`, from variables named DARKROOM_<FIELD>."""

    worker_name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")] = socket.gethostname()
    """Two live workers on one Redis must not share a name."""
    device: DeviceChoice = "auto"
    memory: MemoryChoice = "auto"
    attention_slicing: bool = False
    """Off: with PyTorch's own attention it costs memory and time. See docs/decisions."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 20.0
    """How long a running job may go on after SIGTERM before it is put back in line."""


def configure_libraries() -> None:
    """To be called before torch and diffusers are imported."""
    os.environ.update(_LIBRARIES)
