"""What the worker reads from the environment."""

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from contract.rung import MemoryChoice
from contract.settings import ContractSettings

DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


_Number = Annotated[float, Field(allow_inf_nan=False)]
PerChannel = Annotated[tuple[_Number, _Number, _Number], NoDecode, BeforeValidator(_split)]
"""Three numbers, comma-separated in the environment."""
_Images = Annotated[int, Field(ge=1, le=64)]
CompiledBatches = Annotated[tuple[_Images, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
"""Comma-separated in the environment."""


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
    """The rung to begin with, for models that name none themselves."""
    device_memory_limit_bytes: Annotated[int, Field(gt=0)] | None = None
    """Of the device's memory, this worker takes no more."""
    allow_cpu: bool = False
    """Draw on the CPU what does not fit on the device on any rung: in minutes instead of seconds."""
    allow_downloads: bool = False
    """Fetch a hub model when it is first needed; otherwise only `darkroom models pull` does."""
    attention_slicing: bool = False
    """Off: with PyTorch's own attention it costs memory and time. See docs/decisions."""
    compile: bool = False
    """Compile the default model's denoiser for the batches below, before the worker is ready."""
    compile_batches: CompiledBatches = (1, 2, 4, 8)
    """Images in one pipeline call, at the model's default size; any other call is not compiled."""
    safety_checker: bool = True
    """Judge pictures with the safety checker of a model that ships one."""
    image_classifier: Path | None = None
    """An ONNX file that judges the pictures of every model; worker/image_classifier.py says what it must be."""
    image_classifier_threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """A picture whose score is at least this is withheld."""
    image_classifier_class: Annotated[int, Field(ge=0)] = 1
    """Which of its numbers is the score."""
    image_classifier_outputs: Literal["probabilities", "logits"] = "probabilities"
    image_classifier_channels: Literal["bgr", "rgb"] = "bgr"
    image_classifier_mean: PerChannel = (104.0, 117.0, 123.0)
    """Taken off the values of 0 to 255, in the order of the channels."""
    image_classifier_scale: PerChannel = (1.0, 1.0, 1.0)
    """What they are then divided by."""
    max_batch: Annotated[int, Field(ge=1, le=16)] | None = None
    """Images of one batch, at most; None: as many as pay, by what was measured. Never more than memory has room for."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 20.0
    """How long a running job may go on after SIGTERM before it is put back in line."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where GET /metrics of this worker is answered, to anybody; None: nowhere."""
    recycle_drift_bytes: Annotated[int, Field(ge=0)] = 2 * 1024**3
    """The worker has itself replaced once its memory has grown by this much that no model accounts for; 0: never."""
    supervisor_pid: Annotated[int, Field(gt=0)] | None = None
    """Internal, set by `darkroom serve`: who starts a successor on SIGUSR1."""
    predecessor_pid: Annotated[int, Field(gt=0)] | None = None
    """Internal, set by the supervisor: the worker that this one is to replace once it is warm."""

    @property
    def observed_peaks(self) -> Path:
        """One file for each worker: two would write over each other."""
        return self.data_dir / f"peaks-{self.worker_name}.json"

    @property
    def compiled_code(self) -> Path:
        """One folder for all workers: it is found by what it was made from."""
        return self.data_dir / "compiled"


_HOW_THREADS_WAIT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""Threads that wait for each other spin for some ten microseconds (by libgomp's own estimate of 100,000 a millisecond),
then sleep. Asleep at once, they take longer to wake than a layer of a small model takes; spinning on, as is their
default, they fight with any other process for the cores, and a picture can take a hundred times as long."""


def configure_libraries() -> None:
    """To be called before torch and diffusers are imported. What the user set for threads and the allocator stays."""
    os.environ.update(_LIBRARIES)
    # Segments that grow, against fragments, are PyTorch's advice where a device runs out.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    if "OMP_WAIT_POLICY" not in os.environ:  # a spin count would stand above the policy
        os.environ.update(_HOW_THREADS_WAIT | os.environ)


def configure_compiler(settings: WorkerSettings) -> None:
    """To be called before anything is compiled. What was compiled is kept, so that a later start does not do it again.

    PyTorch's own place is a folder of /tmp that another user can have made first; what lies there is run.
    """
    if settings.compile:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(settings.compiled_code.absolute()))
