"""Draws jobs with the models on offer, and says how each of them stands.

Knows models and what can go wrong with them; knows nothing of Redis or files.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import psutil
import structlog
import torch

from contract.batching import batch_key
from contract.errors import CatalogError, GenerationFailed, JobFailed, ModelUnavailable, ParametersRefused
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from contract.rung import Rung
from contract.worker_state import ModelState
from worker.batch import BatchLimits, Drawn, Member, OnStep
from worker.batch_sizes import BatchSizes
from worker.buckets import warm_buckets
from worker.device import Device, host_available_bytes, is_lost
from worker.drawing import Drawing
from worker.execution import DeviceLost, Interrupted
from worker.footprint import read_footprint
from worker.image_classifier import load_image_classifier
from worker.memory_plan import DoesNotFit, layout_of
from worker.memory_report import DeviceMemory
from worker.model_files import locate
from worker.observed_memory import ObservedMemory
from worker.pipeline import LoadedPipeline, Setup, load_pipeline
from worker.planned_model import PlannedModel
from worker.safety_checker import load_safety_checker
from worker.settings import WorkerSettings
from worker.share import Share
from worker.warm_models import WarmModels

log = structlog.get_logger("darkroom.worker")

_WARM_UP_STEPS = 2
_LOOK_AGAIN_SECONDS = 30
"""For the files of a model that were not there."""


class Denoiser:
    """Draws one batch at a time, with the model that its jobs name."""

    def __init__(self, catalog: ModelCatalog, settings: WorkerSettings, device: Device) -> None:
        """Raises SettingsError where the image classifier cannot be used."""
        self._catalog = catalog
        self._settings = settings
        self.device = device
        self.models = WarmModels(self.device, self._load)
        self._classifier = load_image_classifier(settings)
        self._observed = ObservedMemory(settings.observed_peaks)
        self._planned: dict[str, PlannedModel] = {}
        self._absent: dict[str, tuple[float, str]] = {}
        self._seconds: dict[str, tuple[float, int]] = {}
        self._sizes = BatchSizes(settings.max_batch)

    def warm_up(self, model: Model | None = None) -> None:
        """Loads a model, the default one if none is given, and draws with it, shortly, at its default size.

        Where it is to be compiled, that is done here too, and takes up to minutes. Raises CatalogError, JobFailed or
        DeviceLost.
        """
        model = model or self._catalog.default
        steps = min(_WARM_UP_STEPS, model.limits.num_inference_steps)
        request = GenerationRequest(prompt="warm-up", num_inference_steps=steps)
        planned, parameters = self.planned(model), model.complete(request, seed=0)
        alone = _Alone(parameters, lambda *_: None)
        failure = self._attempt(Drawing(planned, self.device, [alone]))
        if failure:
            raise failure
        alone.result()
        if planned.compiled:
            warm_buckets(planned, parameters, self._settings.compile_batches, self.device)

    def draw_batch(self, members: Sequence[Member]) -> list[int]:
        """How many images each pipeline call had. Raises DeviceLost."""
        parameters = members[0].parameters
        try:
            planned = self.planned(self._catalog.choose(parameters.model))
        except (CatalogError, ParametersRefused) as error:
            failure = _unavailable(parameters.model, error)
            for member in members:
                member.left(failure)
            return []
        drawings = self._draw(planned, members)
        for drawing in drawings:
            self._count(planned, parameters, drawing)
        return [call.images for drawing in drawings for call in drawing.calls]

    def batch_limits(self) -> BatchLimits:
        """How many images the next batch may have."""
        return self._sizes.limits()

    def __call__(self, parameters: GenerationParameters, on_step: OnStep) -> Drawn:
        """One job by itself. Raises a JobFailed, or the Interrupted that `on_step` raises."""
        alone = _Alone(parameters, on_step)
        self.draw_batch([alone])
        return alone.result()

    def report(self) -> Mapping[str, ModelState]:
        """How every model on offer stands."""
        return {model.id: self._state(model) for model in self._catalog.models.values()}

    def host_bytes(self) -> int:
        """Of the weights in the CPU's memory."""
        return self.models.host_bytes

    def can_be_doubled(self) -> bool:
        """Whether another process with the same default model fits beside this one."""
        if host_available_bytes() < psutil.Process().memory_info().rss:
            return False
        planned = self.planned(self._catalog.default)
        try:
            needed = planned.look_ahead(planned.default_demand()).predicted_bytes
        except DoesNotFit:
            return False
        return not self.device.has_own_memory or self.device.free_bytes >= needed

    def device_memory(self) -> DeviceMemory:
        """Now. Raises RuntimeError where the device does not answer."""
        return self.device.memory()

    def ran_out(self) -> Mapping[tuple[str, Rung], int]:
        """How often memory ran out, by model and rung."""
        # Copies, each made at once: another thread may ask.
        return {
            (planned.model.id, rung): times
            for planned in list(self._planned.values())
            for rung, times in list(planned.ran_out.items())
        }

    def planned(self, model: Model, allow_downloads: bool | None = None) -> PlannedModel:
        """The model with what is known of it. Raises CatalogError where its files cannot be had."""
        if model.id not in self._planned:
            allowed = self._settings.allow_downloads if allow_downloads is None else allow_downloads
            source = locate(model, allowed, self._settings.safety_checker)
            dtype = self.device.dtype(model.dtype)
            self._planned[model.id] = PlannedModel(
                model,
                source,
                read_footprint(model, source, self._settings.safety_checker),
                self.device,
                self.device.ladder_from((model.memory, self._settings.memory)),
                self._observed.of(f"{self.device.name} {dtype} {model.source} {model.revision or ''}".strip()),
                self.models,
                self._settings.attention_slicing,
                compiled=self._settings.compile and model is self._catalog.default,
            )
        return self._planned[model.id]

    def _draw(self, planned: PlannedModel, members: Sequence[Member]) -> list[Drawing]:
        """What fails them all is tried with each by itself, so that it fails only those whose own it is."""
        drawing = Drawing(planned, self.device, members)
        try:
            failure = self._attempt(drawing)
        except CatalogError as error:
            failure = _unavailable(planned.model.id, error)
        drawings = [drawing]
        if failure is None:
            return drawings
        if len(members) > 1:
            log.warning("batch_split", model=planned.model.id, jobs=len(drawing.waiting), reason=failure.code)
        for member in drawing.waiting:
            if len(members) == 1:
                member.left(failure)
            elif _stays(member):
                drawings += self._draw(planned, [member])
        return drawings

    def _attempt(self, drawing: Drawing) -> JobFailed | None:
        """Why those who are still waiting will not be drawn. Raises CatalogError and DeviceLost."""
        try:
            drawing.draw()
        except JobFailed as error:
            return error.with_traceback(None)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
            if is_lost(error):
                raise DeviceLost(_last_words(error)) from None
            log.exception("pipeline_failed", model=drawing.model_id)
            # Not as its cause: that holds what was computed, while others are drawn.
            return GenerationFailed(f"The pipeline failed ({type(error).__name__}); the worker's log holds it.")
        self._observed.save()
        return None

    def _count(self, planned: PlannedModel, parameters: GenerationParameters, drawing: Drawing) -> None:
        """Learns from what a drawing took."""
        if drawing.images:
            seconds, images = self._seconds.get(planned.model.id, (0.0, 0))
            self._seconds[planned.model.id] = (seconds + drawing.seconds, images + drawing.images)
        key = batch_key(planned.model, parameters)
        for call in drawing.calls:
            self._sizes.note(key, call.images, call.seconds)
        self._sizes.settle(key, lambda images: planned.draws_at_once(planned.demand(parameters, images)))

    def _load(self, model: Model, setup: Setup) -> LoadedPipeline:
        source = self.planned(model).source
        # First: a model whose own judge cannot be had draws nothing.
        checker = load_safety_checker(model, source) if self._settings.safety_checker else None
        filters = tuple(judge for judge in (checker, self._classifier) if judge is not None)
        return replace(load_pipeline(model, source, setup), image_filters=filters)

    def _state(self, model: Model) -> ModelState:
        seconds, images = self._seconds.get(model.id, (0.0, 0))
        state = ModelState(
            state=self.models.state(model.id), mean_seconds_per_image=round(seconds / images, 3) if images else None
        )
        try:
            planned = self._looked_for(model)
        except CatalogError as error:
            return state.model_copy(update={"can_run": False, "reason": str(error)})
        estimate, last = planned.estimate, layout_of(planned.ladder[-1])
        try:
            plan = planned.look_ahead(planned.default_demand())
        except DoesNotFit as error:
            size_bytes = estimate.weight_bytes(last)
            return state.model_copy(update={"can_run": False, "reason": str(error), "size_bytes": size_bytes})
        rung = planned.rung if state.state == "warm" else plan.rung
        return state.model_copy(
            update={"can_run": True, "rung": rung, "size_bytes": estimate.weight_bytes(plan.layout)}
        )

    def _looked_for(self, model: Model) -> PlannedModel:
        """Like `planned`, but does not look again at every call for files that were not there."""
        now = time.monotonic()
        looked_at, reason = self._absent.get(model.id, (-inf, ""))
        if model.id not in self._planned and now - looked_at < _LOOK_AGAIN_SECONDS:
            raise CatalogError(reason)
        try:
            return self.planned(model, allow_downloads=False)
        except CatalogError as error:
            self._absent[model.id] = now, str(error)
            raise


class _Alone:
    """A batch of one, for whoever waits for its end."""

    exclusive = False

    def __init__(self, parameters: GenerationParameters, step_done: OnStep) -> None:
        self.parameters = parameters
        self.step_done = step_done
        self._end: Drawn | JobFailed | Interrupted | None = None

    def drawn(self, drawn: Drawn) -> None:
        self._end = drawn

    def left(self, reason: JobFailed | Interrupted) -> None:
        self._end = reason

    def result(self) -> Drawn:
        """Raises why there is none."""
        if isinstance(self._end, Drawn):
            return self._end
        raise self._end or RuntimeError("nobody said what becomes of a job")


def _stays(member: Member) -> bool:
    """Its turn may have come late."""
    share = Share(member)
    share.ask(0, 0, lambda: None)
    return share.is_in


def _unavailable(model_id: str, error: Exception) -> ModelUnavailable:
    log.error("model_unavailable", model=model_id, error=error)
    return ModelUnavailable(f"Model {model_id!r} cannot be loaded; the worker's log says why.")


def _last_words(error: Exception) -> str:
    """Of a device: what CUDA says through torch's own class for it. Other errors may hold a prompt."""
    is_torch = isinstance(error, getattr(torch, "AcceleratorError", ()))
    return str(error).partition("\n")[0] if is_torch else type(error).__name__
