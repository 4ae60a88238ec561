"""`python -m tests.stub_worker`: the real worker around a pipeline that obeys its prompts instead of drawing them.

`steps 20` takes twenty steps of 50 ms, with previews from black to white; `die` kills the process; `hang` never comes
back; `lost` loses the device; `leak 40` keeps 40 MiB for ever; `crowd` leaves no room for a second process; `cool`
reports every model as cold; `starve` runs out of memory once; `filtered 1 2` withholds the images 1 and 2, `filtered`
all; `fail` fails, and `crash` ends the process, by an error that quotes the prompt; `unstorable` gives what no PNG can
hold; anything else is instant.

DARKROOM_MAX_BATCH says how many images a batch may have; without, one. Its jobs step together, each until its own
prompt is done.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import structlog
from PIL import Image

from contract.errors import GenerationFailed, JobFailed
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters
from contract.rung import Rung
from contract.worker_state import ModelState
from worker.__main__ import Loaded, main
from worker.batch import BatchLimits, Drawn, Member
from worker.execution import DeviceLost, Interrupted
from worker.memory_report import DeviceMemory
from worker.previews import PreviewArray
from worker.settings import WorkerSettings

log = structlog.get_logger("darkroom.worker")

STEP_SECONDS = 0.05


def grey(level: int) -> PreviewArray:
    """A plain preview of a picture of 64 x 64."""
    return np.full((8, 8, 3), level, np.uint8)


class StubDraw:
    """Every model of the catalog, warm, without a weight."""

    def __init__(self, catalog: ModelCatalog, max_batch: int) -> None:
        self._max_batch = max_batch
        warm = ModelState(state="warm", rung=Rung.ON_DEVICE, can_run=True)
        self._models = dict.fromkeys(catalog.models, warm)
        self._leaked: list[bytes] = []
        self._crowded = False
        self._ran_out = 0

    def draw_batch(self, members: Sequence[Member]) -> list[int]:
        """By one pipeline call, which counts where it was not given up."""
        running = [member for member in members if self._begun(member)]
        images = sum(member.parameters.num_images_per_prompt for member in members)
        step, calls = 0, []
        while running:
            if finished := [member for member in running if steps_of(member) == step]:
                calls = [images]
            for member in finished:
                member.drawn(pictures(member.parameters, images))
                running.remove(member)
            step += 1
            if running:
                time.sleep(STEP_SECONDS)
                running = [member for member in running if _goes_on(member, step)]
        return calls

    def batch_limits(self) -> BatchLimits:
        return BatchLimits(self._max_batch)

    def _begun(self, member: Member) -> bool:
        verb, _, number = member.parameters.prompt.partition(" ")
        self._obey(verb, number)
        try:
            if verb in ("fail", "crash"):
                _quote(member.parameters, verb)
        except JobFailed as reason:
            member.left(reason)
            return False
        return True

    def _obey(self, verb: str, number: str) -> None:
        if verb == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if verb == "hang":
            time.sleep(600)
        if verb == "leak":
            self._leaked.append(b"\1" * (int(number) << 20))
        if verb == "cool":
            self._models = dict.fromkeys(self._models, ModelState(state="cold", can_run=True))
        if verb == "crowd":
            self._crowded = True
        if verb == "starve":
            self._ran_out += 1

    def report(self) -> Mapping[str, ModelState]:
        return self._models

    def host_bytes(self) -> int:
        return 0

    def device_memory(self) -> DeviceMemory:
        return DeviceMemory(used_bytes=3, allocated_bytes=1, limit_bytes=4, total_bytes=8)

    def ran_out(self) -> Mapping[tuple[str, Rung], int]:
        return {("pocket", Rung.ON_DEVICE): self._ran_out}

    def can_be_doubled(self) -> bool:
        return not self._crowded


def steps_of(member: Member) -> int:
    verb, _, number = member.parameters.prompt.partition(" ")
    return int(number) if verb == "steps" else 0


def _goes_on(member: Member, step: int) -> bool:
    """Whether the member wants more than that step."""
    total = steps_of(member)
    try:
        member.step_done(step, total, partial(grey, 255 * step // total))
    except (JobFailed, Interrupted) as reason:
        member.left(reason)
        return False
    return True


def pictures(parameters: GenerationParameters, batch_size: int) -> Drawn:
    """One plain picture for each image; its colour is its seed."""
    verb, _, number = parameters.prompt.partition(" ")
    if verb == "lost":
        raise DeviceLost("unspecified launch failure")
    size = (parameters.width, parameters.height)
    seeds = range(parameters.seed, parameters.seed + parameters.num_images_per_prompt)
    images: list[Image.Image | None] = [Image.new("RGB", size, (seed % 256, 0, 0)) for seed in seeds]
    if verb == "unstorable":
        images = [Image.new("HSV", size)]
    if verb == "filtered":
        for index in map(int, number.split() or range(len(images))):
            images[index] = None
    denoise_seconds = STEP_SECONDS * int(number) if verb == "steps" else 0.0
    return Drawn(images, 0.02, denoise_seconds, 0.0, Rung.ON_DEVICE, batch_size=batch_size)


def _quote(parameters: GenerationParameters, verb: str) -> None:
    """What Denoiser does with an error of a pipeline; or the same error from where nobody expects one."""
    try:
        raise ValueError(f"no words for {parameters.prompt!r} without {parameters.negative_prompt!r}")
    except ValueError as error:
        if verb == "crash":
            raise
        log.exception("pipeline_failed", model=parameters.model)
        raise GenerationFailed("The pipeline failed (ValueError); the worker's log holds it.") from error


def load(catalog: ModelCatalog, settings: WorkerSettings) -> Loaded:
    return Loaded(StubDraw(catalog, settings.max_batch or 1), "stub", "cpu")


if __name__ == "__main__":
    sys.exit(main(load))
