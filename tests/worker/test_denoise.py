"""The bundled model, drawn in this process."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from contract.errors import CatalogError, GenerationFailed, InvalidOutput, ModelUnavailable, OutOfMemory
from contract.model_catalog import ModelCatalog
from contract.rung import Rung
from tests.worker.drawing import CATALOG, CPU, POCKET_BYTES, denoiser, ignore, parameters
from worker import denoise, drawing, warm_models
from worker.denoise import Denoiser
from worker.execution import JobCanceled
from worker.pipeline import LoadedPipeline
from worker.schedulers import build_scheduler

POCKET = CATALOG.default


@pytest.fixture(scope="module")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Denoiser:
    draw = denoiser(tmp_path_factory.mktemp("draw"), CPU)
    draw.warm_up()
    return draw


@pytest.fixture
def loaded(draw: Denoiser) -> LoadedPipeline:
    planned = draw.planned(POCKET)
    return planned.pipeline(planned.plan(planned.default_demand()))


def test_the_two_phases_draw_what_the_pipeline_itself_draws(draw: Denoiser, loaded: LoadedPipeline) -> None:
    (image,) = draw(parameters(), ignore).images
    loaded.pipeline.scheduler = build_scheduler("DDIM", loaded.scheduler_config)
    (expected,) = loaded.pipeline(
        "a fox",
        negative_prompt="",
        num_inference_steps=3,
        guidance_scale=POCKET.defaults.guidance_scale,
        generator=torch.Generator().manual_seed(1),
    ).images
    assert np.array_equal(np.asarray(image), np.asarray(expected))


@pytest.mark.parametrize(("scheduler", "total"), [("DDIM", 3), ("UniPC", 3)])
def test_every_step_is_reported(draw: Denoiser, scheduler: str, total: int) -> None:
    steps: list[tuple[int, int]] = []
    draw(parameters(scheduler=scheduler), lambda step, total, _: steps.append((step, total)))
    assert steps == [(step, total) for step in range(1, total + 1)]


def test_a_run_that_is_interrupted_leaves_nothing_for_the_next(draw: Denoiser) -> None:
    undisturbed = draw(parameters(), ignore).images[0].tobytes()

    def cancel(step: int, _total: int, _peek: object) -> None:
        if step == 2:
            raise JobCanceled

    with pytest.raises(JobCanceled):
        draw(parameters(scheduler="DPM++ 2M"), cancel)
    assert draw(parameters(), ignore).images[0].tobytes() == undisturbed


def _raise(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("part", ["unet", "vae"])
@pytest.mark.parametrize(
    ("raised", "expected"), [(torch.OutOfMemoryError("CUDA"), OutOfMemory), (RuntimeError("odd"), GenerationFailed)]
)
def test_a_failure_of_either_phase_is_a_typed_error_and_the_next_job_is_drawn(
    draw: Denoiser,
    loaded: LoadedPipeline,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    raised: Exception,
    expected: type[Exception],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(getattr(loaded.pipeline, part), "forward" if part == "unet" else "decode", _raise(raised))
        with pytest.raises(expected):
            draw(parameters(), ignore)
    draw.planned(POCKET).memory._failures.clear()
    assert len(draw(parameters(), ignore).images) == 1


def _spoiled(monkeypatch: pytest.MonkeyPatch, phase: str, times: int, spoil: Callable[[Any], Any]) -> list[int]:
    """Spoils what a phase gives, so many times; returns the calls that are made of it."""
    original, calls = getattr(drawing, phase), []

    def spoiled(*arguments: Any) -> Any:
        calls.append(1)
        return spoil(original(*arguments)) if len(calls) <= times else original(*arguments)

    monkeypatch.setattr(drawing, phase, spoiled)
    return calls


def _nan(latents: list[torch.Tensor]) -> list[torch.Tensor]:
    return [each * torch.nan for each in latents]


def _plain(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size, (0, 0, 0))


@pytest.mark.parametrize(
    ("phase", "spoil"), [("draw_latents", _nan), ("decode", _plain), ("decode", lambda _image: None)]
)
def test_numbers_that_are_no_picture_are_tried_once_more_with_the_decode_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, spoil: Callable[[Any], Any]
) -> None:
    draw = denoiser(tmp_path, CPU)
    expected = draw(parameters(), ignore).images[0].tobytes()
    planned = draw.planned(POCKET)
    planned._dtype = torch.bfloat16
    with monkeypatch.context() as patch:
        calls = _spoiled(patch, phase, 1, spoil)
        drawn = draw(parameters(), ignore)
    assert len(calls) == 2
    assert planned._vae_dtype is torch.float32
    assert drawn.images[0].tobytes() == expected
    calls = _spoiled(monkeypatch, phase, 2, spoil)
    with pytest.raises(InvalidOutput, match="no picture, twice"):
        draw(parameters(), ignore)
    assert len(calls) == 2
    assert draw(parameters(), ignore).images[0].tobytes() == expected


def test_a_decode_that_is_no_number_is_not_handed_out_as_black(
    draw: Denoiser, loaded: LoadedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = torch.full((1, 3, 128, 128), torch.nan)
    monkeypatch.setattr(loaded.pipeline.vae, "decode", lambda *_, **__: (nothing,))
    with pytest.raises(InvalidOutput):
        draw(parameters(), ignore)


def test_a_job_is_drawn_with_the_model_that_it_names(tmp_path: Path) -> None:
    twin = POCKET.model_copy(update={"id": "twin"})
    broken = POCKET.model_copy(update={"id": "broken", "source": str(tmp_path)})
    draw = denoiser(tmp_path, CPU, ModelCatalog([POCKET, twin, broken]))
    asked = parameters(num_inference_steps=1)
    first = draw(asked, ignore).images[0].tobytes()
    assert draw(asked.model_copy(update={"model": "twin"}), ignore).images[0].tobytes() == first
    for unavailable in ("broken", "absent"):
        with pytest.raises(ModelUnavailable, match=f"'{unavailable}' cannot be loaded"):
            draw(asked.model_copy(update={"model": unavailable}), ignore)
    assert draw(asked, ignore).images[0].tobytes() == first


def test_every_model_is_reported_with_how_it_stands(tmp_path: Path) -> None:
    spoiled = shutil.copytree(POCKET.source, tmp_path / "spoiled")
    (spoiled / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"none")
    models = [POCKET, POCKET.model_copy(update={"id": "spoiled", "source": str(spoiled)})]
    draw = denoiser(tmp_path, CPU, ModelCatalog(models))
    before = draw.report()["pocket"]
    assert (before.state, before.can_run, before.rung) == ("cold", True, Rung.CPU)
    assert (before.size_bytes, before.mean_seconds_per_image) == (POCKET_BYTES, None)
    draw(parameters(num_images_per_prompt=2), ignore)
    after = draw.report()
    assert after["pocket"].state == "warm"
    assert after["pocket"].mean_seconds_per_image is not None
    assert after["spoiled"].can_run is False
    assert "is not whole" in (after["spoiled"].reason or "")


def test_files_that_appear_are_found_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = POCKET.model_copy(update={"id": "late", "source": str(tmp_path / "late")})
    draw = denoiser(tmp_path, CPU, ModelCatalog([late]))
    assert draw.report()["late"].can_run is False
    shutil.copytree(POCKET.source, tmp_path / "late")
    assert draw.report()["late"].can_run is False
    with monkeypatch.context() as patch:
        patch.setattr(denoise, "_LOOK_AGAIN_SECONDS", 0)
        assert draw.report()["late"].can_run is True
    assert draw.report()["late"].can_run is True, "what was found is not forgotten"


def test_a_second_process_fits_beside_this_one_while_there_is_memory_for_it(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert draw.can_be_doubled()
    with monkeypatch.context() as patch:
        patch.setattr(denoise, "host_available_bytes", lambda: 10_000_000)
        assert not draw.can_be_doubled()
    monkeypatch.setattr(warm_models, "host_available_bytes", lambda: 0)
    assert not draw.can_be_doubled()


def test_a_model_that_cannot_be_loaded_keeps_the_worker_from_starting(tmp_path: Path) -> None:
    broken = POCKET.model_copy(update={"source": str(tmp_path)})
    with pytest.raises(CatalogError, match="is not whole"):
        denoiser(tmp_path, CPU, ModelCatalog([broken])).warm_up()
