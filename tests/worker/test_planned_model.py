"""Precision, and what is planned for a request."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from tests.random_models import Kind, write_model
from tests.worker.drawing import CARD, CATALOG, denoiser
from tests.worker.test_kinds import local
from worker.device import Device
from worker.planned_model import PlannedModel


@dataclass(frozen=True)
class Ampere(Device):
    @property
    def computes_in_bfloat16(self) -> bool:
        return True


def planned(folder: Path, kind: Kind, device: Device, **changes: object) -> PlannedModel:
    write_model(folder / kind, kind, "tiny", "random")
    model = local(kind, folder / kind, variant=None, **changes)
    return denoiser(folder, device, ModelCatalog([model])).planned(model)


def precision(of: PlannedModel) -> tuple[torch.dtype, torch.dtype]:
    """Of the denoiser and of the autoencoder, as loaded."""
    pipeline = of.pipeline(of.plan(of.default_demand())).pipeline
    return pipeline.unet.dtype, pipeline.vae.dtype


def test_an_autoencoder_that_overflows_float16_is_loaded_in_float32(tmp_path: Path) -> None:
    assert precision(planned(tmp_path, "sdxl", CARD, dtype="float16")) == (torch.float16, torch.float32)
    assert precision(planned(tmp_path, "sd15", CARD, dtype="float16")) == (torch.float16, torch.float16)


def test_a_card_that_computes_in_bfloat16_gets_it_for_the_whole_model(tmp_path: Path) -> None:
    card = Ampere("cpu", CARD.ladder)
    assert precision(planned(tmp_path, "sdxl", card)) == (torch.bfloat16, torch.bfloat16)


def demand_of(model: Model, folder: Path, **asked: object) -> tuple[int, int, int]:
    of = denoiser(folder, CARD, ModelCatalog([model])).planned(model)
    demand = of.demand(model.complete(GenerationRequest.model_validate({"prompt": "a", **asked}), 1))
    return demand.images, demand.pixels, demand.rows


@pytest.mark.parametrize(("guidance_scale", "rows"), [(4.0, 2), (1.0, 1), (0.0, 1)])
def test_guidance_computes_two_rows_for_each_image(tmp_path: Path, guidance_scale: float, rows: int) -> None:
    asked = {"guidance_scale": guidance_scale, "num_images_per_prompt": 3, "width": 64}
    assert demand_of(CATALOG.default, tmp_path, **asked) == (3, 64 * 128, rows)


def test_guidance_that_is_an_input_of_the_model_computes_one(tmp_path: Path) -> None:
    embedded = CATALOG.default.model_copy(update={"guidance": "embedded"})
    assert demand_of(embedded, tmp_path, guidance_scale=4.0)[2] == 1
