"""Pictures of the bundled model before a tiny safety checker in diffusers' own class, with weights of chance."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save_file
from structlog.testing import capture_logs

from contract.errors import GenerationFailed, ModelUnavailable, OutOfMemory
from contract.model import Model
from contract.model_catalog import ModelCatalog
from tests.random_models import add_safety_checker
from tests.worker.drawing import CATALOG, CPU, bytes_of, denoiser, ignore, parameters
from tests.worker.test_denoise import _raise
from worker.denoise import Denoiser
from worker.footprint import read_footprint
from worker.memory_plan import DoesNotFit, Layout
from worker.safety_checker import SafetyChecker, load_safety_checker

ALL, NONE = -2.0, 2.0
"""Thresholds that the cosine of every picture passes, and that no cosine does."""
ASKED = {"num_inference_steps": 2, "num_images_per_prompt": 2, "seed": 0}

Ship = Callable[[float], Model]


@pytest.fixture
def ship(tmp_path: Path) -> Ship:
    """The bundled model as one that ships a safety checker with that threshold."""

    def ship_one(threshold: float) -> Model:
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        folder = shutil.copytree(CATALOG.default.source, tmp_path / "model")
        return CATALOG.default.model_copy(update={"source": str(add_safety_checker(folder, threshold))})

    return ship_one


def drawer(tmp_path: Path, model: Model, **settings: Any) -> Denoiser:
    return denoiser(tmp_path, CPU, ModelCatalog([model]), **settings)


def flags(model: Model, picture: Any) -> bool:
    checker = load_safety_checker(model, Path(model.source))
    assert checker is not None
    return checker.withholds(picture)


def threshold_between(ship: Ship, pictures: list[Any]) -> tuple[float, list[bool]]:
    """A threshold that tells two pictures apart, and which of them it flags."""
    low, high = -1.0, 1.0
    while True:
        middle = (low + high) / 2
        flagged = [flags(ship(middle), picture) for picture in pictures]
        if len(set(flagged)) == 2:
            return middle, flagged
        low, high = (middle, high) if all(flagged) else (low, middle)


def test_where_a_model_ships_a_checker_that_flags_everything_no_picture_is_handed_out(
    tmp_path: Path, ship: Ship
) -> None:
    drawn = drawer(tmp_path, ship(ALL))(parameters(**ASKED), ignore)
    assert drawn.images == [None, None]
    assert drawn.filter_seconds is not None
    assert drawn.filter_seconds > 0


def test_a_checker_that_flags_one_of_two_withholds_that_one_and_leaves_the_other_as_it_is(
    tmp_path: Path, ship: Ship
) -> None:
    whole = denoiser(tmp_path, CPU)(parameters(**ASKED), ignore)
    threshold, flagged = threshold_between(ship, whole.images)
    drawn = drawer(tmp_path, ship(threshold))(parameters(**ASKED), ignore)
    assert [image is None for image in drawn.images] == flagged
    kept = flagged.index(False)
    assert drawn.images[kept].tobytes() == bytes_of(whole)[kept]


def test_a_checker_that_flags_nothing_or_is_turned_off_changes_nothing(tmp_path: Path, ship: Ship) -> None:
    whole = denoiser(tmp_path, CPU)(parameters(**ASKED), ignore)
    assert whole.filter_seconds is None
    assert bytes_of(drawer(tmp_path, ship(NONE))(parameters(**ASKED), ignore)) == bytes_of(whole)
    off = drawer(tmp_path, ship(ALL), safety_checker=False)(parameters(**ASKED), ignore)
    assert bytes_of(off) == bytes_of(whole)
    assert off.filter_seconds is None


def test_nothing_is_shown_of_a_picture_before_it_was_judged(tmp_path: Path, ship: Ship) -> None:
    seen: list[object] = []
    drawer(tmp_path, ship(NONE))(parameters(**ASKED), lambda _step, _total, peek: seen.append(peek()))
    assert seen == [None] * 5  # two steps, between the decodes, and before each picture is judged


def test_a_job_that_is_called_off_is_not_judged_to_the_end(
    tmp_path: Path, ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[object] = []
    monkeypatch.setattr(SafetyChecker, "withholds", lambda _, image: judged.append(image))

    def on_step(_step: int, _total: int, _peek: object) -> None:
        if judged:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        drawer(tmp_path, ship(NONE))(parameters(**ASKED), on_step)
    assert len(judged) == 1


def weights_of(model: Path) -> Path:
    return model / "safety_checker" / "model.safetensors"


def spoil_weights(model: Path) -> None:
    weights_of(model).write_bytes(weights_of(model).read_bytes()[:-100])


def rewrite(model: Path, **changes: torch.Tensor | None) -> None:
    tensors = load(weights_of(model).read_bytes()) | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, weights_of(model))


def name_another(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    index["safety_checker"] = ["deepfloyd_if", "IFSafetyChecker"]
    (model / "model_index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda model: shutil.rmtree(model / "safety_checker"), "there are no safetensors of it.* DARKROOM_SAFETY"),
        (lambda model: weights_of(model).rename(model / "safety_checker" / "pytorch_model.bin"), "no safetensors"),
        (spoil_weights, "is not whole"),
        (lambda model: rewrite(model, concept_embeds=None), "it lacks concept_embeds"),
        (lambda model: rewrite(model, concept_embeds=torch.ones(17, 8)), "its safety checker cannot be loaded"),
        (lambda model: rewrite(model, concept_embeds=torch.full((17, 16), torch.nan)), "holds what is no number"),
        (lambda model: shutil.rmtree(model / "feature_extractor"), "its safety checker cannot be loaded"),
        (name_another, "none that is known here"),
    ],
)
def test_a_checker_that_is_shipped_and_cannot_be_used_takes_its_model_away(
    tmp_path: Path, ship: Ship, spoil: Callable[[Path], None], reason: str
) -> None:
    model = ship(NONE)
    spoil(Path(model.source))
    draw = drawer(tmp_path, model)
    with capture_logs() as lines, pytest.raises(ModelUnavailable):
        draw(parameters(**ASKED), ignore)
    assert draw.models.state(model.id) == "cold"
    assert re.search(reason, str(lines))
    assert len(drawer(tmp_path, model, safety_checker=False)(parameters(**ASKED), ignore).images) == 2


def test_a_judge_that_fails_fails_the_job(tmp_path: Path, ship: Ship) -> None:
    model = ship(NONE)
    extractor = Path(model.source) / "feature_extractor" / "preprocessor_config.json"
    extractor.write_text(json.dumps({"size": 16, "crop_size": 16}))
    with pytest.raises(GenerationFailed, match="The image filter failed"):
        drawer(tmp_path, model)(parameters(**ASKED), ignore)


def test_a_judge_that_finds_no_memory_says_that(tmp_path: Path, ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    monkeypatch.setattr(SafetyChecker, "withholds", _raise(error))
    with pytest.raises(OutOfMemory, match="while the pictures were judged"):
        drawer(tmp_path, ship(NONE))(parameters(**ASKED), ignore)


def test_a_checker_in_the_variant_is_the_one_that_is_loaded(ship: Ship) -> None:
    model = ship(ALL)
    weights = weights_of(Path(model.source))
    weights.rename(weights.with_suffix(".fp16.safetensors"))
    assert flags(model.model_copy(update={"variant": "fp16"}), Image.linear_gradient("L").convert("RGB"))


def test_a_model_without_the_checker_that_it_names_cannot_run_and_says_so_before_it_is_asked_for(
    tmp_path: Path, ship: Ship
) -> None:
    model = ship(NONE)
    shutil.rmtree(Path(model.source) / "safety_checker")
    state = drawer(tmp_path, model).report()[model.id]
    assert state.can_run is False
    assert "model_index.json names a safety checker" in (state.reason or "")


def test_a_checker_takes_of_the_cpus_memory_alone_and_goes_with_its_model(tmp_path: Path, ship: Ship) -> None:
    model = ship(NONE)
    source = Path(model.source)
    numbers = sum(tensor.numel() for tensor in load(weights_of(source).read_bytes()).values())
    assert read_footprint(model, source, safety_checker=True).checker_bytes == 4 * numbers
    assert read_footprint(model, source).checker_bytes == 0
    with_it, without = (drawer(tmp_path, model, safety_checker=wanted) for wanted in (True, False))
    bare = without.planned(model)
    assert with_it.planned(model).estimate.weight_bytes(Layout.CPU) == bare.estimate.weight_bytes(Layout.CPU)
    for draw in (with_it, without):
        draw(parameters(num_inference_steps=1), ignore)
    assert with_it.host_bytes() - without.host_bytes() == 4 * numbers
    with_it.models.drop(model.id)
    assert with_it.host_bytes() == 0


def test_a_plan_leaves_room_for_the_checker_in_the_cpus_memory(
    tmp_path: Path, ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ship(NONE)
    planned = drawer(tmp_path, model).planned(model)
    needed = planned.look_ahead(planned.default_demand()).predicted_bytes
    for spare, fits in ((planned.footprint.checker_bytes, True), (0, False)):
        monkeypatch.setattr("worker.warm_models.host_available_bytes", lambda spare=spare: needed / 0.95 + spare + 1)
        if fits:
            assert planned.look_ahead(planned.default_demand()).predicted_bytes == needed
        else:
            with pytest.raises(DoesNotFit):
                planned.look_ahead(planned.default_demand())
