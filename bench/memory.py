"""On which rung each model is drawn at each cap of device memory, and how far the prediction is from the peak.

`python -m bench.memory` makes Stable Diffusion 1.5 and SDXL in their real configurations with random weights, limits a
process to each cap by DARKROOM_DEVICE_MEMORY_LIMIT_BYTES, has it draw twice, and prints a Markdown table. Without CUDA
it prints what the plan would choose and predicts, and nothing measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from bench.report import ROOT
from contract.errors import OutOfMemory
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from contract.rung import Rung
from tests.random_models import Kind, Weights, write_model
from worker.denoise import Denoiser
from worker.device import choose_device
from worker.footprint import read_footprint
from worker.memory_plan import GIB, Demand, DoesNotFit, Estimate, Room, plan_memory
from worker.observed_memory import ModelMemory
from worker.settings import WorkerSettings

CAPS_GIB = (24, 16, 8, 6, 4, 3)
SIDES: dict[Kind, int] = {"sd15": 512, "sdxl": 1024}
STEPS = 10
CARD = tuple(rung for rung in Rung if rung is not Rung.CPU)


def model_of(kind: Kind, folder: Path) -> Model:
    side = SIDES[kind]
    return Model.model_validate(
        {
            "id": kind,
            "source": str(folder),
            "defaults": {
                "width": side,
                "height": side,
                "num_inference_steps": STEPS,
                "guidance_scale": 7.5,
                "scheduler": "DPM++ 2M Karras",
            },
            "limits": {"pixels": side * side, "num_inference_steps": 50, "num_images_per_prompt": 4},
        }
    )


def measure(kind: Kind, folder: Path) -> dict[str, Any]:
    """Draws twice in this process: cold, and with what the first run taught."""
    model = model_of(kind, folder)
    with tempfile.TemporaryDirectory() as data:
        settings = WorkerSettings(data_dir=Path(data))
        denoiser = Denoiser(ModelCatalog([model]), settings, choose_device(settings))
        planned = denoiser.planned(model)
        parameters = model.complete(GenerationRequest(prompt="a fox"), seed=1)
        rows = []
        for _ in range(2):
            try:
                predicted = planned.plan(planned.demand(parameters)).predicted_bytes
                started = time.perf_counter()
                denoiser(parameters, lambda *_: None)
            except (DoesNotFit, OutOfMemory) as error:
                return {"refused": str(error)}
            seconds = time.perf_counter() - started
            rows.append({"rung": planned.rung, "predicted": predicted, "peak": planned.peak_bytes, "seconds": seconds})
        device = denoiser.device
        return {"device": device.name, "dtype": str(device.dtype("auto")), "cold": rows[0], "warm": rows[1]}


def measure_at(cap_gib: float, kind: Kind, folder: Path) -> dict[str, Any]:
    """What `measure` tells, in a process of its own that takes no more of the device."""
    limit = {"DARKROOM_DEVICE_MEMORY_LIMIT_BYTES": str(int(cap_gib * GIB))}
    return measured_apart("bench.memory", kind, str(folder), **limit)


def measured_apart(module: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What `python -m MODULE --measure ARGUMENTS` prints last, as JSON. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", module, "--measure", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def measured_rows(folders: dict[Kind, Path]) -> Iterator[str]:
    yield "| cap GiB | model | rung | cold: predicted GiB | peak GiB | s | then: predicted GiB | peak GiB | s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for cap in CAPS_GIB:
        for kind, folder in folders.items():
            told = measure_at(cap, kind, folder)
            if "refused" in told:
                yield f"| {cap} | {kind} | refused: {told['refused']} | | | | | | |"
                continue
            columns = [
                f"{run['predicted'] / GIB:.2f} | {run['peak'] / GIB:.2f} | {run['seconds']:.1f}"
                for run in (told["cold"], told["warm"])
            ]
            yield f"| {cap} | {kind}, {told['dtype']} | {told['cold']['rung']} | {columns[0]} | {columns[1]} |"


def predicted_rows(folders: dict[Kind, Path]) -> Iterator[str]:
    yield "| cap GiB | model | precision | rung | tiles | predicted GiB |"
    yield "|---|---|---|---|---|---|"
    for cap in CAPS_GIB:
        for kind, folder in folders.items():
            footprint = read_footprint(model_of(kind, folder), folder)
            demand = Demand(1, SIDES[kind], SIDES[kind], guided=True)
            for dtype in (torch.float16, torch.bfloat16):
                wide = footprint.vae_overflows and dtype is torch.float16
                estimate = Estimate(footprint, dtype.itemsize, 4 if wide else dtype.itemsize, ModelMemory())
                name = str(dtype).removeprefix("torch.") + (", decoded in float32" if wide else "")
                try:
                    plan = plan_memory(estimate, demand, Room(cap * GIB, 64 * GIB), CARD)
                    outcome = f"{plan.rung} | {plan.tile_side or 'none'} | {plan.predicted_bytes / GIB:.2f}"
                except DoesNotFit as error:
                    outcome = f"refused: {error} | | "
                yield f"| {cap} | {kind} {SIDES[kind]}x{SIDES[kind]} | {name} | {outcome} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FOLDER"), help="draw in this process, print JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        kind, folder = arguments.measure
        print(json.dumps(measure(kind, Path(folder))))
        return
    measured = torch.cuda.is_available()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        weights: Weights = "random" if measured else "sparse"
        folders = {kind: write_model(Path(name) / kind, kind, "full", weights) for kind in SIDES}
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n" if measured else "Not measured: no CUDA\n")
        for row in (measured_rows if measured else predicted_rows)(folders):
            print(row, flush=True)


if __name__ == "__main__":
    main()
