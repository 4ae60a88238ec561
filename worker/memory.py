"""Device, precision, and the settings that make a pipeline fit its card.

Knows torch and diffusers' memory settings; knows nothing of jobs.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from contract.errors import CatalogError
from worker.settings import DeviceChoice, MemoryChoice

Offload = Literal["none", "model_offload", "sequential_offload"]

_BF16_MAJOR = 8
"""The first CUDA generation that computes in bfloat16; older ones emulate it (a T4 says it has it, and crawls)."""
_FP16_MAJOR = 7
_ROOM_FACTOR = 1.3
"""Weights may fill the card up to 1/1.3 of what is free; the rest is for activations and the decode."""


@dataclass(frozen=True)
class MemoryPlan:
    """How a pipeline is laid out: where its weights are, and in which precision it computes."""

    device: str
    dtype: torch.dtype
    offload: Offload
    attention_slicing: bool

    def apply(self, pipeline: Any) -> None:
        """Moves the pipeline to the device, or hooks it so that its parts move there in turn."""
        if self.offload == "model_offload":
            pipeline.enable_model_cpu_offload(device=self.device)
        elif self.offload == "sequential_offload":
            pipeline.enable_sequential_cpu_offload(device=self.device)
        else:
            pipeline.to(self.device)
        if self.attention_slicing:
            pipeline.enable_attention_slicing()
        vae = getattr(pipeline, "vae", None)
        if vae is not None and hasattr(vae, "enable_slicing"):
            vae.enable_slicing()
            if self.device != "cpu":
                vae.enable_tiling()  # on a CPU the seams would cost more than the memory is worth


def choose_device(choice: DeviceChoice) -> str:
    """`cuda`, else `mps`, else `cpu`. Raises CatalogError for a device that is asked for and not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if choice == "auto":
        return next(device for device, present in there.items() if present)
    if not there[choice]:
        raise CatalogError(f"DARKROOM_DEVICE={choice}, but PyTorch {torch.__version__} finds no such device here")
    return choice


def choose_dtype(device: str) -> torch.dtype:
    """Half precision where the card computes in it: bfloat16 from Ampere on, float16 on Volta, Turing and Apple."""
    if device == "mps":
        return torch.float16
    if device == "cuda":
        major, _ = torch.cuda.get_device_capability()
        if major >= _BF16_MAJOR:
            return torch.bfloat16
        if major >= _FP16_MAJOR:
            return torch.float16
    return torch.float32


def plan_memory(choice: MemoryChoice, device: str, weight_bytes: int, attention_slicing: bool) -> MemoryPlan:
    """The plan for weights of that size, in bytes as their files hold them.

    `auto` keeps them on the card where they and their activations fit, and swaps idle parts to the CPU otherwise.
    """
    offload: Offload = "none" if choice == "auto" else choice
    if device != "cuda":
        offload = "none"  # there is one memory: nothing to swap to
    elif choice == "auto":
        free_bytes, _ = torch.cuda.mem_get_info()
        offload = "none" if weight_bytes * _ROOM_FACTOR < free_bytes else "model_offload"
    return MemoryPlan(device, choose_dtype(device), offload, attention_slicing)
