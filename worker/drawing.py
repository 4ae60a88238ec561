"""A batch's pictures, through whatever memory does: what is done is kept, what ran out is tried on a lower rung.

What becomes of one job disturbs no other: its rows of a running pipeline call are computed to the end, and dropped. A
call that all of its jobs have left is aborted. Knows plans and phases; knows nothing of Redis or files.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import structlog
import torch
from PIL.Image import Image

from contract.errors import GenerationFailed, InvalidOutput, JobFailed, OutOfMemory
from contract.rung import Rung
from contract.tracing import span
from worker.batch import Call, Member
from worker.device import Device, is_out_of_memory
from worker.image_filter import ImageFilter
from worker.memory_plan import DoesNotFit, MemoryPlan, Phase, step_down
from worker.phases import OnBatchStep, PeekLatents, decode, draw_latents
from worker.pipeline import LoadedPipeline
from worker.planned_model import PlannedModel
from worker.previews import Peek
from worker.prompt_encoding import encode_prompt
from worker.share import Row, Share, calls_of

log = structlog.get_logger("darkroom.worker")

_MAX_RETRIES = 3


class _NobodyLeft(Exception):
    """No job of the running pipeline call is in any more."""


class Drawing:
    """Draws once, jobs that share a batch key."""

    def __init__(self, planned: PlannedModel, device: Device, members: Sequence[Member]) -> None:
        self.model_id = planned.model.id
        self.calls: list[Call] = []
        self.images = 0
        """Of the jobs that have theirs."""
        self._planned = planned
        self._device = device
        self._shares = [Share(member) for member in members]
        parameters = members[0].parameters
        images = sum(member.parameters.num_images_per_prompt for member in members)
        # An exclusive job has no batch key, and so is always by itself.
        self._demand = planned.demand(parameters, 1 if members[0].exclusive else images)
        self._phase: Phase = "draw"
        self._call_images = 0
        self._size = 0
        self._progress = (0, 0)
        self._tried: list[str] = []
        self._image_filters: tuple[ImageFilter, ...] = ()
        self._seconds = {"load": 0.0, "denoise": 0.0}

    def draw(self) -> None:
        """Every member is told what becomes of it, unless this raises: then those that are still in are not.

        Raises OutOfMemory, CatalogError, DeviceLost, and what the pipeline raises.
        """
        plan = self._first_plan()
        while self._attempt(plan):
            # Only now, outside of the except block: its traceback keeps the activations alive.
            self._device.collect()
            plan = self._next_plan(plan)
            self._ask()  # a deadline may be over, or a client gone
        if self.images:
            self._planned.memory.note_success()

    @property
    def waiting(self) -> list[Member]:
        """Those that were not told yet what becomes of them."""
        return [share.member for share in self._in()]

    @property
    def seconds(self) -> float:
        """That it all took, without the loading."""
        return self._seconds["denoise"] + sum(sum(share.seconds.values()) for share in self._shares)

    def _in(self) -> list[Share]:
        return [share for share in self._shares if share.is_in]

    def _ask(self) -> None:
        """Every job that has pictures to come whether it stays, while there is nothing to see."""
        for share in self._in():
            if not share.has_all:
                share.ask(*self._progress, _nothing)

    def _first_plan(self) -> MemoryPlan:
        try:
            return self._planned.plan(self._demand)
        except DoesNotFit as error:
            raise OutOfMemory(f"Not tried: {error}.{self._what_would_fit()}") from None

    def _attempt(self, plan: MemoryPlan) -> bool:
        """Whether memory ran out."""
        try:
            self._draw(plan)
            self._decode(plan)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # The words of others may hold a prompt; torch's own say how much was asked for, and how much there was.
            words = str(error).partition("\n")[0] if isinstance(error, torch.OutOfMemoryError) else type(error).__name__
            log.warning("memory_ran_out", phase=self._phase, rung=plan.rung, batch_size=plan.batch_size, reason=words)
            return True
        return False

    def _draw(self, plan: MemoryPlan) -> None:
        self._phase = "draw"
        while missing := sum(len(share.undrawn) for share in self._in()):
            self._expect(min(plan.batch_size, missing))
            loaded = self._load(plan)
            with self._timed(self._seconds, "denoise"):
                self._encode(loaded)
                rows, *later = calls_of(self._in(), plan.batch_size)
                self._expect(len(rows))
                try:
                    latents = self._latents(loaded, plan, rows, 1 + len(later))
                except _NobodyLeft:
                    continue
            self._keep(rows, latents)

    def _expect(self, images: int) -> None:
        """Of the next pipeline call, which memory may run out in."""
        self._call_images = images
        self._size = images * self._demand.rows * self._demand.pixels

    def _encode(self, loaded: LoadedPipeline) -> None:
        """Once for all pipeline calls, on whatever rung."""
        for share in self._in():
            if share.prompt is None:
                share.prompt = encode_prompt(loaded, share.parameters)

    def _latents(self, loaded: LoadedPipeline, plan: MemoryPlan, rows: Sequence[Row], calls: int) -> list[torch.Tensor]:
        with self._planned.measured(plan, "draw", self._size):
            started = time.monotonic()
            latents = draw_latents(loaded, [row.to_draw() for row in rows], self._step_of(rows, calls))
            self.calls.append(Call(len(rows), time.monotonic() - started))
        return latents

    def _keep(self, rows: Sequence[Row], latents: Sequence[torch.Tensor]) -> None:
        spoiled: dict[Share, None] = {}
        for row, each in zip(rows, latents, strict=True):
            share = row.share
            if not share.is_in:
                continue
            share.batch_size = max(share.batch_size, len(rows))
            if torch.isfinite(each).all():
                share.latents[row.index] = each
            else:
                spoiled[share] = None
        for share in spoiled:
            self._note_no_picture(share)

    def _step_of(self, rows: Sequence[Row], calls: int) -> OnBatchStep:
        """Progress over all the pipeline calls that the images take."""
        done = len(self.calls)
        first: dict[Share, int] = {}
        for place, row in enumerate(rows):
            first.setdefault(row.share, place)

        def on_step(step: int, total: int, peek: PeekLatents) -> None:
            self._progress = (done * total + step, (done + calls) * total)
            for share in self._in():
                share.ask(*self._progress, self._seen(peek, first[share]) if share in first else _nothing)
            if not any(share.is_in for share in first):
                raise _NobodyLeft

        return on_step

    def _seen(self, peek: PeekLatents, place: int) -> Peek:
        # A picture that nobody has judged yet is not shown either, however small and rough.
        return _nothing if self._image_filters else lambda: self._planned.colours.picture(peek(place))

    def _decode(self, plan: MemoryPlan) -> None:
        self._phase = "decode"
        self._size = plan.tile_side**2 if plan.tile_side else self._demand.pixels
        try:
            for share in self._in():
                self._decode_share(share, plan)
                if plan.rung is not Rung.CPU:  # there, what stores one takes the cores from the next one's decode
                    self._finish_decoded(plan)
        finally:
            self._finish_decoded(plan)

    def _decode_share(self, share: Share, plan: MemoryPlan) -> None:
        while missing := share.undecoded:
            loaded = self._load(plan)
            latents = share.latents[missing[0]]
            with self._timed(share.seconds, "decode"), self._planned.measured(plan, "decode", self._size):
                image = decode(loaded, latents, plan.tile_side)
            if image is None or _is_constant(image):
                self._note_no_picture(share)
                continue
            share.images[missing[0]] = image
            self._planned.colours.learn(latents, image)
            self._ask()

    def _finish_decoded(self, plan: MemoryPlan) -> None:
        """By that plan, the last of each: plans only step down, so that its rung is the lowest that it was drawn on."""
        for share in self._in():
            if share.has_all:
                self._finish(share, plan.rung)

    def _note_no_picture(self, share: Share) -> None:
        """The numbers are none of a picture: they are tried once more."""
        if share.gave_no_picture:
            share.leave(InvalidOutput(f"The {self._phase} gave numbers that are no picture, twice."))
            return
        log.warning("no_picture", phase=self._phase, then="decoded in float32")
        share.gave_no_picture = True
        self._planned.decode_in_float32()

    def _finish(self, share: Share, rung: Rung) -> None:
        """It has all its pictures, and is told at once unless it leaves while they are judged."""
        drawn = [share.images[index] for index in sorted(share.images)]
        images = self._judged(share, drawn) if self._image_filters else list[Image | None](drawn)
        if not share.is_in:
            return
        self.images += len(images)
        load, denoise = self._seconds["load"], self._seconds["denoise"]
        share.finish(images, load, denoise, rung, was_judged=bool(self._image_filters))

    def _judged(self, share: Share, images: Sequence[Image]) -> list[Image | None]:
        """Those that may be shown; fewer where the job leaves meanwhile, or its judge fails."""
        kept: list[Image | None] = []
        for image in images:
            share.ask(*self._progress, _nothing)
            if not share.is_in:
                break
            try:
                kept.append(None if self._withholds(share, image) else image)
            except JobFailed as error:
                share.leave(error)
                break
        return kept

    def _withholds(self, share: Share, image: Image) -> bool:
        try:
            with self._timed(share.seconds, "filter"):
                return any(judge.withholds(image) for judge in self._image_filters)
        except (RuntimeError, ValueError, MemoryError) as error:
            if is_out_of_memory(error):
                raise OutOfMemory("Memory ran out while the pictures were judged by the image filter.") from None
            log.exception("image_filter_failed")
            raise GenerationFailed("The image filter failed; the worker's log holds it.") from None

    def _load(self, plan: MemoryPlan) -> LoadedPipeline:
        with self._timed(self._seconds, "load"):
            loaded = self._planned.pipeline(plan)
        self._image_filters = loaded.image_filters
        return loaded

    @contextmanager
    def _timed(self, seconds: dict[str, float], what: str) -> Iterator[None]:
        """What fails takes time too. The block is also a span of that name."""
        started = time.monotonic()
        try:
            with span(what):
                yield
        finally:
            seconds[what] += time.monotonic() - started

    def _next_plan(self, plan: MemoryPlan) -> MemoryPlan:
        if self._phase == "draw":
            # Half of the images that were too many, not of those that might have been.
            plan = replace(plan, batch_size=self._call_images)
        images = f"{plan.batch_size} image{'s' if plan.batch_size > 1 else ''} at once"
        tiles = f", in tiles of up to {plan.tile_side} pixels" if plan.tile_side else ""
        self._tried.append(f"{plan.rung} with {images}{tiles} ({self._phase})")
        self._planned.note_failure(plan, self._phase, self._size)
        lower = step_down(plan, self._phase, self._demand, self._planned.ladder)
        if lower is None or len(self._tried) > _MAX_RETRIES:
            tried = "; ".join(self._tried)
            raise OutOfMemory(f"Memory ran out. Tried: {tried}.{self._what_would_fit()}")
        log.warning("rung_stepped_down", model=self._planned.model.id, rung=lower.rung, batch_size=lower.batch_size)
        return lower

    def _what_would_fit(self) -> str:
        side = self._planned.largest_side(self._demand)
        return f" One image of {side}x{side} would fit, by the estimate." if side else ""


def _nothing() -> None:
    """A peek where there is nothing to see."""


def _is_constant(image: Image) -> bool:
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]
