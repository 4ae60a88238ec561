"""Can each model on offer be drawn with here: by its files and the memory that is free, or by drawing with it.

Knows models and their denoiser; knows nothing of Redis.
"""

import time
from collections.abc import Iterator

from contract.errors import CatalogError, JobFailed, SettingsError
from contract.finding import Finding, size
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.rung import Rung
from worker.denoise import Denoiser
from worker.device import Device, choose_device, host_available_bytes, host_total_bytes
from worker.execution import DeviceLost
from worker.memory_plan import DoesNotFit
from worker.model_files import check_local_sources, locate
from worker.settings import WorkerSettings


def look_at_models(
    catalog: ModelCatalog, settings: WorkerSettings, *, deep: bool, worker_here: bool
) -> Iterator[Finding]:
    """Of each model on offer; no weights are loaded unless it is `deep`.

    Where a worker runs here, memory that it holds is missing: what does not fit then is no fault.
    """
    try:
        device = choose_device(settings)
    except CatalogError:
        yield Finding(check="models", verdict="skipped", found="there is no device to draw with")
        return
    try:
        denoiser = Denoiser(catalog, settings, device)
    except SettingsError as error:
        mend = "mend the file, name another, or unset DARKROOM_IMAGE_CLASSIFIER"
        yield Finding(check="settings", verdict="wrong", found=str(error), mend=mend)
        denoiser = Denoiser(catalog, settings.model_copy(update={"image_classifier": None}), device)
    yield _memory(device)
    for model in catalog.models.values():
        is_default = model is catalog.default
        missing = _files(model, settings, is_default=is_default)
        if missing:
            yield missing
        elif deep:
            yield _drawn(denoiser, model, is_default=is_default)
        else:
            yield _planned(denoiser, model, is_default=is_default, worker_here=worker_here)


def draw_with(denoiser: Denoiser, model: Model) -> tuple[bool, str]:
    """Loads a model and draws with it, shortly: whether that works, and how it went in words."""
    started = time.monotonic()
    try:
        denoiser.warm_up(model)
    except (CatalogError, JobFailed, DeviceLost) as error:
        return False, f"failed: {error}"
    state = denoiser.report()[model.id]
    gibibytes = (state.size_bytes or 0) / 1024**3
    seconds = time.monotonic() - started
    return True, f"ok, {gibibytes:.2f} GiB on the rung {state.rung}, loaded and tried in {seconds:.1f} s"


def _memory(device: Device) -> Finding:
    """What is free: whether it is enough is said of each model."""
    found = f"{size(host_available_bytes())} of {size(host_total_bytes())} of the CPU's memory are free"
    if device.has_own_memory:
        memory = device.memory()
        found += f", {size(device.free_bytes)} of {size(memory.total_bytes)} of the device's"
    if device.limit_bytes is not None:
        found += f"; this worker takes at most {size(device.limit_bytes)} of the device's"
    return Finding(check="memory", verdict="ok", found=found)


def _files(model: Model, settings: WorkerSettings, *, is_default: bool) -> Finding | None:
    """What is wrong with where its files should be; None where they are there."""
    try:
        check_local_sources(ModelCatalog([model]), settings.models)
    except CatalogError as error:
        mend = f"put it there, or mend the entry in {settings.models}: no worker starts without it"
        return Finding(check="models", verdict="wrong", found=str(error), mend=mend)
    try:
        locate(model, allow_downloads=False, safety_checker=settings.safety_checker)
    except CatalogError as error:
        if settings.allow_downloads:
            found = f"{model.id}: {model.source} is downloaded when it is first needed"
            return Finding(check="models", verdict="ok", found=found)
        mend = f"darkroom models pull {model.id}; without a network, copy HF_HOME from a machine where that was done"
        return _unusable(str(error), mend, is_default=is_default)
    return None


def _planned(denoiser: Denoiser, model: Model, *, is_default: bool, worker_here: bool) -> Finding:
    """By its files, and the memory that is free."""
    try:
        planned = denoiser.planned(model, allow_downloads=False)
        plan = planned.look_ahead(planned.default_demand())
    except CatalogError as error:
        mend = f"darkroom models pull {model.id}" if model.revision else f"put its files into {model.source} anew"
        return _unusable(str(error), mend, is_default=is_default)
    except DoesNotFit as error:
        if worker_here:
            found = f"{model.id}: a worker runs here and holds memory; without it is too little left to tell"
            return Finding(check="models", verdict="skipped", found=found)
        mend = "end what else takes memory, take a smaller model, or see docs/memory.md for lower rungs"
        return _unusable(f"{model.id}: {error}", mend, is_default=is_default)
    weights, peak = planned.estimate.weight_bytes(plan.layout), plan.predicted_bytes
    found = f"{model.id}: {size(weights)} of weights, at most {size(peak)} at its default size, on the rung {plan.rung}"
    if plan.rung is Rung.CPU and denoiser.device.type != "cpu":
        mend = "free memory of the device, or take a smaller model: see docs/memory.md"
        return Finding(check="models", verdict="warning", found=f"{found}: minutes instead of seconds", mend=mend)
    return Finding(check="models", verdict="ok", found=found)


def _drawn(denoiser: Denoiser, model: Model, *, is_default: bool) -> Finding:
    works, words = draw_with(denoiser, model)
    if works:
        return Finding(check="models", verdict="ok", found=f"{model.id}: {words}")
    return _unusable(f"{model.id}: {words}", "see docs/models.md", is_default=is_default)


def _unusable(found: str, mend: str, *, is_default: bool) -> Finding:
    """Without the default model no worker starts; without another one only its own jobs fail."""
    return Finding(check="models", verdict="wrong" if is_default else "warning", found=found, mend=mend)
