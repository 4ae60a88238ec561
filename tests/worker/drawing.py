"""What the tests of drawing share: the bundled model, requests for it, and a device that stands for a card."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from contract.errors import JobFailed
from contract.model_catalog import ModelCatalog, read_model_catalog
from contract.parameters import GenerationParameters, GenerationRequest
from contract.rung import Rung
from worker.batch import Drawn, OnStep
from worker.denoise import Denoiser
from worker.device import Device
from worker.drawing import Drawing
from worker.execution import Interrupted
from worker.planned_model import PlannedModel
from worker.settings import WorkerSettings

torch.set_num_threads(1)
"""More cost more than they save on networks this small, and most of all where other processes use the cores."""

CATALOG = read_model_catalog(Path(__file__).parents[2] / "models.toml")
CPU = Device("cpu", (Rung.CPU,))
CARD = Device("cpu", (Rung.ON_DEVICE, Rung.VAE_TILING, Rung.SMALLER_BATCH, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD))
"""Every rung that computes the same on a CPU; accelerate's sequential hooks need a device that is none."""
POCKET_BYTES = 4 * sum(
    weights.size for path in Path(CATALOG.default.source).rglob("*.safetensors") for weights in load_file(path).values()
)
"""What the bundled model takes in float32."""


def denoiser(folder: Path, device: Device = CARD, catalog: ModelCatalog = CATALOG, **settings: Any) -> Denoiser:
    return Denoiser(catalog, WorkerSettings(device="cpu", data_dir=folder, **settings), device)


def parameters(**changes: Any) -> GenerationParameters:
    asked = {"prompt": "a fox", "num_inference_steps": 3, "seed": 1} | changes
    return CATALOG.default.complete(GenerationRequest(**asked), 0)


def ignore(_step: int, _total: int, _peek: object) -> None:
    """Goes on."""


class Guest:
    """A member that keeps what it is told; each `on_step` may take it out."""

    def __init__(self, parameters: GenerationParameters, on_step: OnStep = ignore, exclusive: bool = False) -> None:
        self.parameters = parameters
        self.exclusive = exclusive
        self.step_done = on_step
        self.told: list[Drawn | JobFailed | Interrupted] = []

    def drawn(self, drawn: Drawn) -> None:
        self.told.append(drawn)

    def left(self, reason: JobFailed | Interrupted) -> None:
        self.told.append(reason)

    @property
    def result(self) -> Drawn:
        """Raises why there is none."""
        (told,) = self.told
        if isinstance(told, Drawn):
            return told
        raise told


def draw_with(planned: PlannedModel, device: Device, parameters: GenerationParameters) -> Drawn:
    """One job on whatever ladder the model has."""
    guest = Guest(parameters)
    Drawing(planned, device, [guest]).draw()
    return guest.result


def bytes_of(drawn: Drawn) -> list[bytes]:
    return [image.tobytes() for image in drawn.images]


def difference(drawn: Drawn, other: Drawn) -> int:
    """The largest, of any channel of any pixel of any image."""
    pairs = zip(drawn.images, other.images, strict=True)
    return max(int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max()) for a, b in pairs)
