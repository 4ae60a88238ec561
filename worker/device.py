"""What computes: the device, its precision, and how much memory is free on it and beside it.

Knows torch's devices; knows nothing of models or jobs.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil
import torch
from accelerate.utils.memory import should_reduce_batch_size

from contract.errors import CatalogError
from contract.model import Precision
from contract.rung import MemoryChoice, Rung
from worker.memory_report import DeviceMemory
from worker.settings import DeviceChoice, WorkerSettings

_BF16_MAJOR = 8
"""The first CUDA generation that computes in bfloat16; older ones emulate it (a T4 says it has it, and crawls)."""
_FP16_MAJOR = 7
_CGROUP = Path("/sys/fs/cgroup")

_LADDERS: dict[str, tuple[Rung, ...]] = {
    "cuda": tuple(rung for rung in Rung if rung is not Rung.CPU),
    "mps": (Rung.ON_DEVICE, Rung.VAE_TILING, Rung.SMALLER_BATCH),  # one memory: nothing to swap to
    "cpu": (Rung.CPU,),
}


@dataclass(frozen=True)
class Device:
    """`type` is torch's: cuda, mps or cpu."""

    type: str
    ladder: tuple[Rung, ...]
    limit_bytes: int | None = None
    """Of the device's memory, less than it has."""

    @cached_property
    def name(self) -> str:
        return torch.cuda.get_device_name() if self.type == "cuda" else self.type

    @property
    def has_own_memory(self) -> bool:
        """Whether weights can wait in the CPU's memory without being in the device's."""
        return self.type == "cuda"

    @property
    def allocated_bytes(self) -> int:
        """By this process's tensors; 0 where torch does not count."""
        if self.type == "cuda":
            return torch.cuda.memory_allocated()
        return torch.mps.current_allocated_memory() if self.type == "mps" else 0

    @property
    def free_bytes(self) -> int:
        """What this process can still allocate: the system's free memory, and blocks that torch holds unused."""
        if self.type == "cuda":
            free = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - self.allocated_bytes
        elif self.type == "mps":
            free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        else:
            free = host_available_bytes()
        return free if self.limit_bytes is None else max(min(free, self.limit_bytes - self.allocated_bytes), 0)

    @property
    def _total_bytes(self) -> int:
        if self.type == "cuda":
            return torch.cuda.mem_get_info()[1]
        return torch.mps.recommended_max_memory() if self.type == "mps" else host_total_bytes()

    def memory(self) -> DeviceMemory:
        """Now; can be asked by any thread. Raises RuntimeError where the device does not answer."""
        total = self._total_bytes
        if self.type == "cuda":
            used = total - torch.cuda.mem_get_info()[0]
        elif self.type == "mps":
            used = torch.mps.driver_allocated_memory()
        else:
            used = total - host_available_bytes()
        return DeviceMemory(used, self.allocated_bytes, min(self.limit_bytes or total, total), total)

    @property
    def computes_in_bfloat16(self) -> bool:
        return self.type == "cuda" and torch.cuda.get_device_capability()[0] >= _BF16_MAJOR

    def dtype(self, precision: Precision) -> torch.dtype:
        """Where left to the device: half precision if it computes in it and not by emulation."""
        if precision != "auto":
            chosen: torch.dtype = getattr(torch, precision)
            return chosen
        if self.computes_in_bfloat16:
            return torch.bfloat16
        if self.type == "mps" or (self.type == "cuda" and torch.cuda.get_device_capability()[0] >= _FP16_MAJOR):
            return torch.float16
        return torch.float32

    def ladder_from(self, choices: Sequence[MemoryChoice]) -> tuple[Rung, ...]:
        """The rungs to try: from the first choice on that this device has; `cpu` is always one."""
        ladder = (*self.ladder, Rung.CPU) if "cpu" in choices else self.ladder
        first = next((rung for choice in choices for rung in ladder if rung == choice), ladder[0])
        return ladder[ladder.index(first) :]

    def start_peak(self) -> None:
        if self.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def peak_bytes(self) -> int | None:
        """The most that was allocated since start_peak; None where torch does not count."""
        return torch.cuda.max_memory_allocated() if self.type == "cuda" else None

    def collect(self) -> None:
        """Gives back what nobody holds any more. Hooks and exceptions make cycles: only the collector ends them."""
        gc.collect()
        if self.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.ipc_collect()  # type: ignore[no-untyped-call]
        elif self.type == "mps":
            torch.mps.empty_cache()


def choose_device(settings: WorkerSettings) -> Device:
    """`cuda`, else `mps`, else `cpu`. Raises CatalogError for a device that is asked for and not there."""
    device_type = _device_type(settings.device)
    limit_bytes = settings.device_memory_limit_bytes
    ladder = _LADDERS[device_type]
    if settings.allow_cpu and device_type == "cuda":
        ladder = (*ladder, Rung.CPU)
    if device_type == "cuda":
        # For what is in float32 there, such as SDXL's decoder; cards before Ampere have no TF32 and go on as before. By
        # the older name: once the newer one is used, PyTorch 2.13 raises an error for whoever reads the older.
        torch.backends.cuda.matmul.allow_tf32 = True
    if device_type == "cuda" and limit_bytes is not None:
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit_bytes / torch.cuda.mem_get_info()[1]))
    return Device(device_type, ladder, limit_bytes)


def _device_type(choice: DeviceChoice) -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if choice == "auto":
        return next(device for device, present in there.items() if present)
    if not there[choice]:
        raise CatalogError(f"DARKROOM_DEVICE={choice}, but PyTorch {torch.__version__} finds no such device here")
    return choice


def host_available_bytes(cgroup: Path = _CGROUP) -> int:
    """Of the CPU's memory, within the container's limit where there is one."""
    available: int = psutil.virtual_memory().available
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return available  # no container, or one without a limit: "max"
    return max(min(available, limit - used + int(stat.get("inactive_file", 0))), 0)


def host_total_bytes(cgroup: Path = _CGROUP) -> int:
    """The CPU's memory, or what the container may have of it."""
    total: int = psutil.virtual_memory().total
    try:
        return min(total, int((cgroup / "memory.max").read_text()))
    except (OSError, ValueError):
        return total


def is_out_of_memory(error: Exception) -> bool:
    """Of whatever device, in whatever words; a kernel that finds no room for its workspace included."""
    words = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in words
        or "status_alloc_failed" in words
        or should_reduce_batch_size(error)
    )


def is_lost(error: Exception) -> bool:
    """Whether the device is in a state that only the end of the process mends, such as after an illegal access."""
    words = str(error)
    return (
        isinstance(error, getattr(torch, "AcceleratorError", ()))  # from PyTorch 2.8 on
        or "CUDA error" in words
        or "STATUS_EXECUTION_FAILED" in words
        or "STATUS_INTERNAL_ERROR" in words
    )
