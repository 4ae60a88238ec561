"""Precision, and what is planned for a request."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from contract.rung import Rung
from tests.random_models import Kind, write_model
from tests.worker.drawing import CARD, CATALOG, POCKET_BYTES, denoiser
from tests.worker.test_kinds import local
from worker.device import Device
from worker.memory_plan import Layout, MemoryPlan, Room, plan_memory
from worker.planned_model import PlannedModel
from worker.warm_models import WarmModels


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


@dataclass(frozen=True)
class Counting(Device):
    """A card that counts: 5000 bytes of others' and the pocket model, and 700 more at the peak."""

    @property
    def allocated_bytes(self) -> int:
        return 5000 + POCKET_BYTES

    def peak_bytes(self) -> int:
        return self.allocated_bytes + 700


def test_what_is_learned_from_a_run_is_what_it_took_beside_the_weights_and_beside_others(tmp_path: Path) -> None:
    of = denoiser(tmp_path, Counting("cpu", CARD.ladder)).planned(CATALOG.default)
    for rung in (Rung.VAE_TILING, Rung.CPU):
        for phase in ("draw", "decode"):
            with of.measured(MemoryPlan(rung, 1, 64, 0), phase, 100):
                pass
    assert of.memory.peaks == {"on_device draw": {100: 700}, "on_device decode 64": {100: 700}}
    assert of.peak_bytes == POCKET_BYTES + 700
    of.plan(of.default_demand())
    assert of.peak_bytes == 0


def test_a_failure_is_noted_with_the_room_that_there_was_where_it_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = denoiser(tmp_path).planned(CATALOG.default)
    monkeypatch.setattr(WarmModels, "room", lambda _: Room(1000, 9000))
    of.note_failure(MemoryPlan(Rung.VAE_TILING, 1, 64, 0), "draw", 100)
    of.note_failure(MemoryPlan(Rung.CPU, 1, None, 0), "draw", 100)
    assert of.memory.ran_out(Layout.ON_DEVICE, "draw", None, 100, 1000)
    assert not of.memory.ran_out(Layout.ON_DEVICE, "draw", None, 100, 9000)
    assert of.memory.ran_out(Layout.CPU, "draw", None, 100, 9000)


@pytest.fixture
def offloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlannedModel:
    monkeypatch.setattr(WarmModels, "layout", lambda *_: Layout.MODEL_OFFLOAD)
    monkeypatch.setattr(WarmModels, "room", lambda _: Room(2**40, 2**40))
    return denoiser(tmp_path).planned(CATALOG.default)


def test_the_room_for_a_higher_rung_must_have_been_there_without_a_break(
    offloaded: PlannedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = offloaded.default_demand()
    enough = plan_memory(offloaded.estimate, demand, Room(2**40, 2**40), (Rung.MODEL_OFFLOAD,)).predicted_bytes
    for room in (2**40, 2**40, 2**40, int(enough / 0.94), 2**40, 2**40, 2**40):
        monkeypatch.setattr(WarmModels, "room", lambda _, room=room: Room(room, 2**40))
        assert offloaded.plan(demand).rung is Rung.MODEL_OFFLOAD
    assert offloaded.plan(demand).rung is Rung.ON_DEVICE


def test_a_higher_rung_is_taken_at_once_where_memory_ran_out_on_the_one_that_the_model_is_on(
    offloaded: PlannedModel,
) -> None:
    for layout in (Layout.MODEL_OFFLOAD, Layout.GROUP_OFFLOAD):
        offloaded.memory.note_failure(layout, "draw", None, 1, 2**40)
    assert offloaded.plan(offloaded.default_demand()).rung is Rung.ON_DEVICE


def test_a_limit_counts_on_a_device_that_shares_the_cpus_memory() -> None:
    models = WarmModels(Device("cpu", (Rung.CPU,), limit_bytes=1000), lambda *_: None)
    assert models.room() == Room(1000, 1000)
