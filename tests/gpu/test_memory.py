"""What only a CUDA device can show of memory: `make test-gpu`. Random weights in the real configurations.

Without such a device every test here fails, and says so.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.memory import CAPS_GIB, SIDES, measure_at, model_of
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from contract.rung import Rung
from tests.random_models import Kind, write_model
from tests.worker.drawing import bytes_of, difference, draw_with, ignore
from worker.denoise import Denoiser
from worker.device import Device, choose_device
from worker.settings import WorkerSettings

MIB = 1024**2
WHOLE = [rung for rung in Rung if rung not in (Rung.VAE_TILING, Rung.CPU)]
"""The rungs that decode a picture of this size in one piece."""


@pytest.fixture(scope="session", autouse=True)
def card() -> Device:
    assert torch.cuda.is_available(), "these tests need a CUDA device"
    return choose_device(WorkerSettings(device="cuda"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    return {kind: write_model(tmp_path_factory.mktemp("models") / kind, kind, "full", "random") for kind in SIDES}


@pytest.fixture
def sd15(folders: dict[Kind, Path]) -> Model:
    return model_of("sd15", folders["sd15"])


@pytest.fixture
def draw(tmp_path: Path, card: Device, sd15: Model) -> Iterator[Denoiser]:
    twin = sd15.model_copy(update={"id": "twin"})
    draw = Denoiser(ModelCatalog([sd15, twin]), WorkerSettings(data_dir=tmp_path), card)
    yield draw
    draw.models.drop("sd15")
    draw.models.drop("twin")


def test_from_every_rung_to_every_other_the_picture_stays(draw: Denoiser, card: Device, sd15: Model) -> None:
    parameters = sd15.complete(GenerationRequest(prompt="a fox", num_inference_steps=4, num_images_per_prompt=2), 1)
    planned = draw.planned(sd15)
    planned.ladder = (Rung.ON_DEVICE,)
    expected = draw_with(planned, card, parameters)
    for before in WHOLE:
        for after in WHOLE:
            for rung in (before, after):
                planned.ladder = (rung,)
                drawn = draw_with(planned, card, parameters)
            assert difference(drawn, expected) <= 2, (before, after)


def test_a_swap_leaves_no_memory_behind(draw: Denoiser, sd15: Model) -> None:
    parameters = sd15.complete(GenerationRequest(prompt="a fox", num_inference_steps=1), 1)
    after = {}
    for swap in range(1, 21):
        name = ("sd15", "twin")[swap % 2]
        draw.models.drop(("twin", "sd15")[swap % 2])
        draw(parameters.model_copy(update={"model": name}), ignore)
        draw.device.collect()
        after[swap] = torch.cuda.memory_allocated()
    assert after[20] == after[2]


def test_a_parked_model_comes_back_and_draws_the_same(draw: Denoiser, sd15: Model) -> None:
    parameters = sd15.complete(GenerationRequest(prompt="a fox", num_inference_steps=2), 1)
    first = bytes_of(draw(parameters, ignore))
    before = torch.cuda.memory_allocated()
    draw.models._park("sd15")
    assert torch.cuda.memory_allocated() < before - 1500 * MIB
    assert draw.models.state("sd15") == "in_memory"
    assert bytes_of(draw(parameters, ignore)) == first


def test_memory_that_somebody_else_takes_costs_a_rung_and_no_job(draw: Denoiser, card: Device, sd15: Model) -> None:
    parameters = sd15.complete(GenerationRequest(prompt="a fox", num_inference_steps=2, num_images_per_prompt=4), 1)
    expected = draw(parameters, ignore)
    taken: list[torch.Tensor] = []

    def take(step: int, _total: int, _peek: object) -> None:
        if step == 1 and not taken:  # behind the plan's back, all but a little
            taken.append(torch.empty(card.free_bytes - 200 * MIB, dtype=torch.uint8, device="cuda"))

    drawn = draw(parameters, take)
    assert draw.planned(sd15).rung not in (None, Rung.ON_DEVICE)
    assert difference(drawn, expected) <= 2
    taken.clear()
    card.collect()
    assert len(draw(parameters, ignore).images) == 4


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cap_gib", CAPS_GIB)
@pytest.mark.parametrize("kind", SIDES)
def test_at_every_cap_a_model_draws_within_the_prediction_or_is_refused(
    folders: dict[Kind, Path], kind: Kind, cap_gib: int
) -> None:
    told = measure_at(cap_gib, kind, folders[kind])
    if "refused" in told:
        assert "are missing" in told["refused"]
        return
    cold, warm = told["cold"], told["warm"]
    assert cold["peak"] <= cold["predicted"] <= cap_gib * 1024**3
    assert warm["peak"] <= warm["predicted"] <= 1.15 * warm["peak"]
