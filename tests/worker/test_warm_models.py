"""Which models are in memory, and that one which goes leaves nothing behind."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch._subclasses.fake_tensor import is_fake

from contract.errors import OutOfMemory
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.rung import Rung
from tests.worker.drawing import CARD, CATALOG, POCKET_BYTES, bytes_of, denoiser, ignore, parameters
from worker import warm_models
from worker.denoise import Denoiser
from worker.device import Device
from worker.footprint import read_footprint
from worker.memory_plan import Demand, Estimate, Room, plan_memory
from worker.observed_memory import ModelMemory

POCKET = CATALOG.default
A, B, C = (POCKET.model_copy(update={"id": name}) for name in ("a", "b", "c"))


@dataclass(frozen=True)
class Card(Device):
    """A card with room for so many bytes, which only the weights on it take."""

    total: int = 0

    @property
    def has_own_memory(self) -> bool:
        return True

    @property
    def free_bytes(self) -> int:
        draw: Denoiser = _draws[-1]
        return self.total - draw.models._resident_bytes


_draws: list[Denoiser] = []


def room_for_two(ladder: tuple[Rung, ...]) -> int:
    """For one that draws what these tests ask for, by the plan, and one that is warm beside it."""
    estimate = Estimate(read_footprint(POCKET, Path(POCKET.source)), 4, 4, ModelMemory())
    room = Room(2**40, 2**40)
    return plan_memory(estimate, Demand(1, 128, 128, True), room, ladder).predicted_bytes + POCKET_BYTES * 3 // 2


PLENTY = 2**40
ROOM_FOR_TWO = room_for_two(CARD.ladder)


@pytest.fixture
def draw(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Denoiser]:
    card = Card("cpu", CARD.ladder, total=request.param)
    _draws.append(denoiser(tmp_path, card, ModelCatalog([A, B, C])))
    yield _draws[-1]
    _draws.clear()


def run(draw: Denoiser, *names: str) -> list[str]:
    for name in names:
        draw(parameters(num_inference_steps=1).model_copy(update={"model": name}), ignore)
    return [draw.models.state(name) for name in ("a", "b", "c")]


@pytest.mark.parametrize("draw", [PLENTY], indirect=True)
def test_as_many_models_stay_on_the_device_as_fit(draw: Denoiser) -> None:
    assert run(draw, "a", "b", "c") == ["warm", "warm", "warm"]


@pytest.mark.parametrize("draw", [ROOM_FOR_TWO], indirect=True)
def test_the_one_used_longest_ago_waits_in_the_cpus_memory_and_comes_back(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = draw(parameters(num_inference_steps=1).model_copy(update={"model": "a"}), ignore)
    loads: list[Model] = []
    load = draw.models._load

    def counted(model: Model, setup: Any) -> Any:
        loads.append(model)
        return load(model, setup)

    monkeypatch.setattr(draw.models, "_load", counted)
    assert run(draw, "b") == ["warm", "warm", "cold"]
    assert run(draw, "c") == ["in_memory", "warm", "warm"]
    assert run(draw, "b", "a") == ["warm", "warm", "in_memory"]
    assert loads == [B, C]
    assert bytes_of(draw(parameters(num_inference_steps=1).model_copy(update={"model": "a"}), ignore)) == bytes_of(
        first
    )


@pytest.mark.parametrize("draw", [ROOM_FOR_TWO], indirect=True)
def test_without_room_in_the_cpus_memory_it_is_let_go(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    run(draw, "a", "b")
    monkeypatch.setattr(warm_models, "host_available_bytes", lambda: POCKET_BYTES)
    monkeypatch.setattr(warm_models, "_HOST_RESERVE_BYTES", 0)
    assert run(draw, "c")[0] == "in_memory"
    assert run(draw, "a")[1:] == ["in_memory", "warm"]
    monkeypatch.setattr(warm_models, "host_available_bytes", lambda: POCKET_BYTES - 1 + draw.models.host_bytes)
    assert run(draw, "b")[1:] == ["warm", "cold"]


@pytest.mark.parametrize("draw", [PLENTY], indirect=True)
def test_a_model_on_the_device_goes_on_when_the_cpus_memory_is_full(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(draw, "a")
    monkeypatch.setattr(warm_models, "host_available_bytes", lambda: 0)
    assert run(draw, "a") == ["warm", "cold", "cold"]
    with pytest.raises(OutOfMemory, match="of the CPU's memory for its weights"):
        run(draw, "b")


@pytest.fixture
def nothing_yet() -> Iterator[None]:
    """What is there before the test is not looked at: after a thousand others it takes most of the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("nothing_yet")
def test_on_a_device_without_memory_of_its_own_the_one_used_longest_ago_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = denoiser(tmp_path, Device("cpu", (Rung.CPU,)), ModelCatalog([A, B, C]))
    monkeypatch.setattr(warm_models, "_HOST_RESERVE_BYTES", 0)
    total = PLENTY
    monkeypatch.setattr(warm_models, "host_available_bytes", lambda: total - tensor_bytes())
    assert run(draw, "a", "b", "c") == ["warm", "warm", "warm"]
    total = room_for_two((Rung.CPU,))
    assert run(draw, "a") == ["warm", "cold", "warm"]


def tensor_bytes() -> int:
    gc.collect()
    # What a compiler keeps to reason with has a shape and no memory.
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor) and not is_fake(each)]
    return sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}.values())


@pytest.mark.usefixtures("nothing_yet")
def test_a_swap_leaves_no_memory_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = denoiser(tmp_path, Device("cpu", (Rung.CPU,)), ModelCatalog([A, B]))
    monkeypatch.setattr(warm_models, "_HOST_RESERVE_BYTES", 2**60)  # never room for two
    after = {}
    for swap in range(1, 21):
        assert run(draw, "ab"[swap % 2])[:2].count("cold") == 1
        after[swap] = tensor_bytes(), psutil.Process().memory_info().rss
    assert after[20][0] == after[2][0]
    assert after[20][1] - after[2][1] < POCKET_BYTES, "not one model's worth in eighteen swaps"
