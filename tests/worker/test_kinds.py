"""Every entry that models.toml ships, with random weights in its configuration: tiny ones drawn, full ones planned."""

import tomllib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from contract.rung import Rung
from tests.contract.test_model_catalog import commented_entries
from tests.random_models import Kind, write_model
from tests.worker.drawing import CARD, CPU, denoiser, difference, draw_with, ignore
from tests.worker.test_out_of_memory import failing
from worker.device import Device
from worker.footprint import read_footprint
from worker.memory_plan import GIB, Demand, Estimate, Room, plan_memory
from worker.observed_memory import ModelMemory

ENTRIES = {entry["id"]: entry for entry in tomllib.loads(commented_entries())["models"]}
IDS: dict[str, Kind] = {kind.replace("flux", "flux-schnell"): kind for kind in get_args(Kind)}


def local(model_id: str, folder: Path, **changes: object) -> Model:
    """The entry with its files in a folder."""
    return Model.model_validate(ENTRIES[model_id] | {"source": str(folder), "revision": None} | changes)


@pytest.mark.parametrize("model_id", IDS)
def test_each_kind_is_drawn_with_its_own_schedulers_on_every_rung(tmp_path: Path, model_id: str) -> None:
    variant = ENTRIES[model_id].get("variant")
    folder = write_model(tmp_path / "model", IDS[model_id], "tiny", "random", variant=variant)
    model = local(model_id, folder)
    draw = denoiser(tmp_path, CPU, ModelCatalog([model]))
    asked = GenerationRequest(prompt="a fox", width=64, height=64, num_inference_steps=2, num_images_per_prompt=2)
    for scheduler in model.offered_schedulers[:3]:
        request = asked.model_copy(update={"scheduler": scheduler.name})
        drawn = draw(model.complete(request, seed=1), ignore)
        assert {image.size for image in drawn.images} == {(64, 64)}
        assert np.asarray(drawn.images[0]).std() > 1
    parameters = model.complete(asked, seed=1)
    on_card = denoiser(tmp_path, CARD, ModelCatalog([model])).planned(model)
    expected = draw_with(on_card, CARD, parameters)
    for rung in (Rung.SMALLER_BATCH, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD):
        on_card.ladder = (rung,)
        assert difference(draw_with(on_card, CARD, parameters), expected) <= 1, rung


def test_what_flux_encoded_on_a_card_is_drawn_on_the_cpu_where_its_memory_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = local("flux-schnell", write_model(tmp_path / "model", "flux", "tiny", "random"))
    draw = denoiser(tmp_path, Device("cpu", (Rung.ON_DEVICE, Rung.CPU)), ModelCatalog([model]))
    asked = GenerationRequest(prompt="a fox", width=64, height=64, num_inference_steps=1)
    with failing(monkeypatch, "draw_latents", 1, calls=1):
        assert len(draw(model.complete(asked, seed=1), ignore).images) == 1
    assert draw.report()[model.id].rung is Rung.CPU


PARAMETERS = {
    "sd15": 1066,
    "sd-turbo": 1290,
    "sdxl": 3469,
    "sdxl-turbo": 3469,
    "ssd-1b": 2232,
    "lcm": 1066,
    "pixart-sigma": 5457,
    "flux-schnell": 16871,
}
"""Millions, without a safety checker."""


@pytest.mark.parametrize("model_id", IDS)
def test_each_kind_weighs_what_its_headers_say_and_fits_an_80_gib_card(tmp_path: Path, model_id: str) -> None:
    variant = ENTRIES[model_id].get("variant")
    folder = write_model(tmp_path, IDS[model_id], "full", "sparse", variant=variant)
    model = local(model_id, folder)
    footprint = read_footprint(model, folder)
    assert footprint.parameters / 1e6 == pytest.approx(PARAMETERS[model_id], rel=0.01)
    demand = Demand(1, model.defaults.width, model.defaults.height, model.defaults.guidance_scale > 1)
    estimate = Estimate(footprint, 2, 2, ModelMemory())
    plan = plan_memory(estimate, demand, Room(80 * GIB, 64 * GIB), CARD.ladder)
    assert plan.rung is Rung.ON_DEVICE
    assert 2 * footprint.parameters < plan.predicted_bytes < 2 * footprint.parameters + 12 * GIB
