"""What the worker would compute on, and whether a faster device is here that PyTorch cannot use.

Knows torch and where Linux says what cards there are; knows nothing of models.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from contract.errors import CatalogError
from contract.finding import Finding, size
from worker.device import Device, choose_device
from worker.settings import WorkerSettings

_DRIVER = Path("/proc/driver/nvidia/version")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class Build:
    """PyTorch as it is installed, beside the machine's driver."""

    version: str
    cuda: str | None
    """The CUDA that it was built for; None where it was built without."""
    driver: str | None
    """NVIDIA's, by its version; None where there is none."""


def look_at_device(settings: WorkerSettings) -> Iterator[Finding]:
    """What is chosen, whether it computes, and with how many threads."""
    build = Build(torch.__version__, torch.version.cuda, driver_version())
    try:
        device = choose_device(settings)
    except CatalogError as error:
        idle = idle_card(build) if settings.device == "cuda" else None
        mend = idle.mend if idle else "set DARKROOM_DEVICE=auto, or a device that is here"
        yield Finding(check="device", verdict="wrong", found=str(error), mend=mend)
    else:
        idle = idle_card(build) if settings.device == "auto" and device.type == "cpu" else None
        yield idle or _computing(device, build)
    yield threads(torch.get_num_threads(), usable_cores())


def idle_card(build: Build) -> Finding | None:
    """Why PyTorch finds no CUDA device although an NVIDIA card is here; None where there is none."""
    if build.driver is None:
        return None
    found = f"an NVIDIA card is here, with driver {build.driver}, and PyTorch {build.version}"
    if build.cuda is None:
        found += " is built without CUDA: the CPU draws"
        mend = f"pip install --force-reinstall torch --index-url {_INDEX}/cu130"
    else:
        found += f", for CUDA {build.cuda}, cannot use it: the CPU draws"
        mend = (
            f"a newer driver, or PyTorch for an older one from {_INDEX}/cu126; in a container, the NVIDIA Container"
            " Toolkit and access to the card"
        )
    return Finding(check="device", verdict="warning", found=found, mend=mend)


def threads(number: int, cores: float) -> Finding:
    """PyTorch's, beside the cores that this process may use."""
    found = f"{number} threads compute on {cores:g} cores"
    if number > max(cores, 1):
        mend = f"OMP_NUM_THREADS={max(int(cores), 1)}"
        return Finding(check="threads", verdict="warning", found=f"{found}: they wait for each other", mend=mend)
    return Finding(check="threads", verdict="ok", found=found)


def usable_cores(quota: Path = _CPU_QUOTA) -> float:
    """That the system gives this process, within the container's limit where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        return min(cores, int(limit) / int(period))
    except (OSError, ValueError):
        return cores  # no container, or one without a limit: "max"


def driver_version(driver: Path = _DRIVER) -> str | None:
    """NVIDIA's on Linux; None where there is none."""
    try:
        told = re.search(r"\b\d+\.\d+(?:\.\d+)?\b", driver.read_text())
    except OSError:
        return None
    return told[0] if told else "of an unknown version"


def _computing(device: Device, build: Build) -> Finding:
    """Whether it does: a card that the build has no kernels for is found, and fails at its first use."""
    torch_is = f"PyTorch {build.version}" + (f" for CUDA {build.cuda}" if build.cuda else "")
    try:
        right = torch.ones(8, device=device.type).sum().item() == 8
    except RuntimeError as error:
        words = str(error).partition("\n")[0]
        mend = f"another build of PyTorch for this card, see {_INDEX}, or DARKROOM_DEVICE=cpu"
        found = f"{device.name} fails with {torch_is}: {words}"
        return Finding(check="device", verdict="wrong", found=found, mend=mend)
    if not right:
        return Finding(check="device", verdict="wrong", found=f"{device.name} with {torch_is} cannot add numbers")
    if device.type == "cpu":
        return Finding(check="device", verdict="ok", found=f"the CPU, with {torch_is}")
    memory = size(device.memory().total_bytes)
    return Finding(check="device", verdict="ok", found=f"{device.type}: {device.name} with {memory}, and {torch_is}")
