"""`python -m tests.stub_worker`: the real worker around a pipeline that obeys its prompt instead of drawing it.

`steps 20` takes twenty steps of 50 ms; `die` kills the process; `hang` never comes back; anything else is instant.
"""

import os
import signal
import sys
import time

from PIL import Image

from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters
from worker.__main__ import Loaded, main
from worker.settings import WorkerSettings
from worker.warm_worker import Drawn, OnStep


def draw(parameters: GenerationParameters, on_step: OnStep) -> Drawn:
    """One plain picture for each image; its colour is its seed."""
    verb, _, number = parameters.prompt.partition(" ")
    if verb == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "hang":
        time.sleep(600)
    for step in range(int(number) if verb == "steps" else 0):
        time.sleep(0.05)
        on_step(step + 1, int(number))
    size = (parameters.width, parameters.height)
    seeds = range(parameters.seed, parameters.seed + parameters.num_images_per_prompt)
    return Drawn([Image.new("RGB", size, (seed % 256, 0, 0)) for seed in seeds], 0.0, 0.0)


def load(_catalog: ModelCatalog, _settings: WorkerSettings) -> Loaded:
    return Loaded(draw, "stub", "cpu")


if __name__ == "__main__":
    sys.exit(main(load))
