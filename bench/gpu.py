"""What a card draws in a second: the bare pipeline and Darkroom, with and without a compiler, and what each takes.

`python -m bench.gpu` makes Stable Diffusion 1.5 and SDXL in their real configurations with random weights, draws at
512x512 and 1024x1024 with guidance, and prints two Markdown tables: images a second and peak memory, and the goals.
Each row is a process of its own. Where Darkroom and the bare loop are compared they take turns on one pipeline, so that
the settings are the same and a card that grows warm does so for both. Without CUDA nothing is measured.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoPipelineForText2Image

from bench.memory import SIDES, measured_apart, model_of
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from tests.random_models import Kind, write_model
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.device import Device, choose_device
from worker.memory_plan import GIB
from worker.pipeline import use_channels_last
from worker.schedulers import build_scheduler
from worker.settings import WorkerSettings

BATCHES = (1, 4, 8)
STEPS = 20
ROUNDS = 5
PROMPT = "a fox in the snow"
LEAST_OF_BARE = 0.97
"""Darkroom's images a second, over those of the bare loop with the same settings."""
LEAST_OF_PLAIN = {"sd15": 1.5}
"""The same over plain float16 without a compiler, one image in a call."""


def entry(kind: Kind, folder: Path) -> Model:
    model = model_of(kind, folder)
    limits = model.limits.model_copy(update={"num_images_per_prompt": max(BATCHES)})
    return model.model_copy(update={"limits": limits})


def asked(model: Model, images: int) -> GenerationParameters:
    request = GenerationRequest(prompt=PROMPT, num_inference_steps=STEPS, num_images_per_prompt=images)
    return model.complete(request, 1)


def draw(denoiser: Denoiser, parameters: GenerationParameters) -> Drawn:
    """The one place that knows how Darkroom is asked to draw."""
    return denoiser(parameters, lambda *_: None)


def bare(pipeline: Any, parameters: GenerationParameters) -> None:
    """As its documentation calls it."""
    images = parameters.num_images_per_prompt
    pipeline(
        prompt=[parameters.prompt] * images,
        width=parameters.width,
        height=parameters.height,
        num_inference_steps=parameters.num_inference_steps,
        guidance_scale=parameters.guidance_scale,
        generator=[torch.Generator("cpu").manual_seed(parameters.seed + index) for index in range(images)],
    )


def timed(device: Device, images: int, *calls: Callable[[], Any]) -> list[dict[str, float]]:
    """Of each call: images a second, by the median of rounds in which all take turns, and the peak. Warm-up apart."""
    seconds: list[list[float]] = [[] for _ in calls]
    peaks = [0 for _ in calls]
    for turn in range(ROUNDS + 1):
        for which, call in enumerate(calls):
            device.start_peak()
            started = time.perf_counter()
            call()  # until its pictures are in the CPU's memory
            if turn:
                seconds[which].append(time.perf_counter() - started)
            peaks[which] = device.peak_bytes() or 0
    return [{"rate": images / statistics.median(each), "peak": peak} for each, peak in zip(seconds, peaks, strict=True)]


def measure_plain(kind: Kind, folder: Path, images: int, how: str) -> dict[str, Any]:
    """diffusers alone in float16: `eager` as it is loaded; `blocks` with Darkroom's settings, and the repeated blocks
    of the denoiser compiled, which is what a UNet is not compiled by here."""
    device = Device("cuda" if torch.cuda.is_available() else "cpu", ())  # chosen, it would compute in TF32
    parameters = asked(entry(kind, folder), images)
    pipeline = AutoPipelineForText2Image.from_pretrained(folder, dtype=torch.float16)  # type: ignore[no-untyped-call]
    pipeline.scheduler = build_scheduler(parameters.scheduler, dict(pipeline.scheduler.config))
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()
    if how == "blocks":
        use_channels_last(pipeline)
        pipeline.unet.compile_repeated_blocks(dynamic=False)
    pipeline.to(device.type)
    return {"bare": timed(device, images, lambda: bare(pipeline, parameters))[0], "dtype": "float16"}


def measure_pair(kind: Kind, folder: Path, images: int, compiled: bool) -> dict[str, Any]:
    """Darkroom with its own settings, and the bare loop on Darkroom's own pipeline."""
    model = entry(kind, folder)
    parameters = asked(model, images)
    with tempfile.TemporaryDirectory() as data:
        settings = WorkerSettings(data_dir=Path(data), compile=compiled, compile_batches=(images,))
        device = choose_device(settings)
        denoiser = Denoiser(ModelCatalog([model]), settings, device)
        started = time.perf_counter()
        denoiser.warm_up()
        warm_up_seconds = time.perf_counter() - started
        planned = denoiser.planned(model)
        plan = planned.look_ahead(planned.demand(parameters))
        pipeline = planned.pipeline(plan).pipeline
        pipeline.vae.enable_slicing()  # the bare loop's; Darkroom decodes one image at a time anyway
        pipeline.scheduler = build_scheduler(parameters.scheduler, dict(pipeline.scheduler.config))
        darkroom, same = timed(device, images, lambda: draw(denoiser, parameters), lambda: bare(pipeline, parameters))
        dtype = str(device.dtype(model.dtype)).removeprefix("torch.")
        told = {"bare": same, "darkroom": darkroom, "dtype": dtype, "warm_up": warm_up_seconds}
        return told | {"rung": planned.rung, "batches": draw(denoiser, parameters).batch_size}


def measure(row: str, kind: Kind, folder: Path, images: int) -> dict[str, Any]:
    """One row, in this process."""
    if row in ("eager", "blocks"):
        return measure_plain(kind, folder, images, row)
    return measure_pair(kind, folder, images, compiled=row == "compiled")


def measured(row: str, kind: Kind, folder: Path, images: int) -> dict[str, Any]:
    """What `measure` tells, in a process of its own."""
    return measured_apart("bench.gpu", row, kind, str(folder), str(images))


def cells(told: dict[str, float], plain: float) -> str:
    return f"{told['rate']:.3f} | {told['rate'] / plain:.2f} | {told['peak'] / GIB:.2f}"


def rows(folders: dict[Kind, Path]) -> Iterator[str]:
    yield "| model | drawn by | images in a call | images/s | over plain | peak GiB |"
    yield "|---|---|---|---|---|---|"
    goals: list[str] = []
    for kind, folder in folders.items():
        name = f"{kind} {SIDES[kind]}x{SIDES[kind]}"
        plain_told = measured("eager", kind, folder, 1)
        plain = plain_told["bare"]["rate"]
        yield f"| {name} | bare, plain float16 | 1 | {cells(plain_told['bare'], plain)} |"
        best = 0.0
        for images in BATCHES:
            blocks = measured("blocks", kind, folder, images)
            yield f"| {name} | bare, float16, repeated blocks compiled | {images} | {cells(blocks['bare'], plain)} |"
            for row in ("settings", "compiled"):
                told = measured(row, kind, folder, images)
                how = f"{told['dtype']}, {told['rung']}" + (", compiled" if row == "compiled" else "")
                if row == "compiled":
                    how += f", warm after {told['warm_up']:.0f} s"
                yield f"| {name} | bare, Darkroom's settings: {how} | {images} | {cells(told['bare'], plain)} |"
                yield f"| {name} | Darkroom: {how} | {told['batches']} | {cells(told['darkroom'], plain)} |"
                ratio = told["darkroom"]["rate"] / told["bare"]["rate"]
                goals.append(goal(f"{name}, {row}, {images}: Darkroom / bare", ratio, LEAST_OF_BARE))
                if row == "settings":
                    best = max(best, told["darkroom"]["rate"] / plain)
        if kind in LEAST_OF_PLAIN:
            goals.append(goal(f"{name}: Darkroom as it is set by default / plain", best, LEAST_OF_PLAIN[kind]))
    yield ""
    yield "| goal | measured | at least | met |"
    yield "|---|---|---|---|"
    yield from goals


def goal(name: str, ratio: float, least: float) -> str:
    return f"| {name} | {ratio:.3f} | {least} | {'yes' if ratio >= least else 'no'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measure", nargs=4, metavar=("ROW", "KIND", "FOLDER", "IMAGES"), help="one row in this process, as JSON"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        row, kind, folder, images = arguments.measure
        print(json.dumps(measure(row, kind, Path(folder), int(images))))
        return
    if not torch.cuda.is_available():
        print("Not measured: no CUDA")
        return
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folders: dict[Kind, Path] = {kind: write_model(Path(name) / kind, kind, "full", "random") for kind in SIDES}
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {STEPS} steps, medians of {ROUNDS}\n")
        for row in rows(folders):
            print(row, flush=True)


if __name__ == "__main__":
    main()
