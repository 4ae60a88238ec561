"""Loading, and the layouts: each draws the same, whichever one the model was laid out in before."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from contract.errors import CatalogError
from contract.model import Model
from tests.worker.drawing import CARD, CATALOG, CPU, difference, draw_with, parameters
from worker.batch import Drawn
from worker.footprint import read_footprint
from worker.memory_plan import Layout, layout_of
from worker.observed_memory import ModelMemory
from worker.pipeline import LoadedPipeline, Setup, load_pipeline, use_channels_last
from worker.planned_model import PlannedModel
from worker.schedulers import build_scheduler
from worker.warm_models import WarmModels

POCKET = CATALOG.default
ON_CPU = Setup(Layout.CPU, "cpu", torch.float32, torch.float32)


def load(model: Model = POCKET, source: str | None = None, setup: Setup = ON_CPU) -> LoadedPipeline:
    return load_pipeline(model, Path(source or model.source), setup)


@pytest.fixture(scope="module")
def loaded() -> LoadedPipeline:
    return load()


def planned(*rungs: Any) -> tuple[PlannedModel, WarmModels]:
    models = WarmModels(CARD, lambda model, setup: load_pipeline(model, Path(model.source), setup))
    source = Path(POCKET.source)
    footprint = read_footprint(POCKET, source)
    return PlannedModel(POCKET, source, footprint, CARD, rungs or CARD.ladder, ModelMemory(), models, False), models


def test_every_layout_draws_the_same_after_every_other() -> None:
    request = parameters(num_images_per_prompt=2, num_inference_steps=2)
    model, models = planned()

    def drawn_on(rung: Any) -> Drawn:
        model.ladder = (rung,)
        return draw_with(model, CARD, request)

    a, b, c = (rung for rung in CARD.ladder if rung in [layout.value for layout in Layout])
    expected = drawn_on(a)
    for rung in (b, a, c, b, c, a):  # from each to each
        assert difference(drawn_on(rung), expected) == 0, rung
        assert models.layout("pocket") is layout_of(rung)


def test_a_decode_in_tiles_differs_at_most_where_tiles_meet_and_leaves_no_trace() -> None:
    request = parameters(width=256, height=256, num_inference_steps=4)
    model, _ = planned()
    whole = draw_with(model, CARD, request)
    model.ladder = (CARD.ladder[1],)
    tiled = draw_with(model, CARD, request)
    assert difference(tiled, whole) > 0
    model.ladder = CARD.ladder
    assert difference(draw_with(model, CARD, request), whole) == 0


def test_attention_slicing_changes_nothing_but_memory(loaded: LoadedPipeline) -> None:
    sliced = load(setup=Setup(Layout.CPU, "cpu", torch.float32, torch.float32, attention_slicing=True))
    processors = {type(each).__name__ for each in sliced.pipeline.unet.attn_processors.values()}
    assert processors == {"SlicedAttnProcessor"}
    assert {type(each).__name__ for each in loaded.pipeline.unet.attn_processors.values()} == {"AttnProcessor2_0"}


def test_the_autoencoder_can_have_a_precision_of_its_own() -> None:
    setup = Setup(Layout.CPU, "cpu", torch.bfloat16, torch.float32)
    pipeline = load(setup=setup).pipeline
    assert (pipeline.unet.dtype, pipeline.text_encoder.dtype, pipeline.vae.dtype) == (
        torch.bfloat16,
        torch.bfloat16,
        torch.float32,
    )


@pytest.mark.parametrize("scheduler", POCKET.offered_schedulers, ids=lambda scheduler: scheduler.name)
def test_every_scheduler_on_offer_keeps_the_models_training(loaded: LoadedPipeline, scheduler: Any) -> None:
    config = build_scheduler(scheduler.name, loaded.scheduler_config).config
    assert config["prediction_type"] == "v_prediction"
    assert config["timestep_spacing"] == "trailing"


def test_a_scheduler_starts_from_the_models_own_configuration_and_not_from_the_last_one(loaded: LoadedPipeline) -> None:
    karras = build_scheduler("DPM++ 2M Karras", loaded.scheduler_config)
    assert karras.config["use_karras_sigmas"] is True
    assert not build_scheduler("DPM++ 2M", loaded.scheduler_config).config["use_karras_sigmas"]


def test_latents_are_not_clipped_where_the_configuration_says_nothing_of_it(loaded: LoadedPipeline) -> None:
    silent = {key: value for key, value in loaded.scheduler_config.items() if key != "clip_sample"}
    assert build_scheduler("DDIM", silent).config["clip_sample"] is False


def test_a_scheduler_that_is_not_offered_is_refused(loaded: LoadedPipeline) -> None:
    with pytest.raises(CatalogError, match="'SchedulerMixin' is not a scheduler"):
        build_scheduler("SchedulerMixin", loaded.scheduler_config)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"model 'pocket': .* cannot be loaded"):
        load(source=str(tmp_path))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(POCKET.source, tmp_path / "pocket")


def _truncate(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _pickle(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))


def _unknown_class(folder: Path) -> None:
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace('"UNet2DConditionModel"', '"NoSuchModel"'))


@pytest.mark.parametrize("spoil", [_truncate, _pickle, _unknown_class])
def test_weights_that_are_truncated_or_no_safetensors_are_refused(copy: Path, spoil: Callable[[Path], None]) -> None:
    spoil(copy)
    with pytest.raises(CatalogError, match=r"model 'pocket': .* cannot be loaded"):
        load(source=str(copy))


def test_code_that_comes_with_a_model_is_never_run(copy: Path) -> None:
    canary = copy / "canary"
    (copy / "pipeline.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Mine: pass\n")
    (copy / "unet" / "mine.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Mine: pass\n")
    index = copy / "model_index.json"
    text = index.read_text()
    for changed in (
        text.replace('"_class_name": "StableDiffusionPipeline"', '"_class_name": ["pipeline", "Mine"]'),
        text.replace('"diffusers",\n    "UNet2DConditionModel"', '"mine",\n    "Mine"'),
    ):
        assert changed != text
        index.write_text(changed)
        with pytest.raises(CatalogError):
            load(source=str(copy))
    assert not canary.exists()


def test_a_variant_that_is_not_there_is_refused() -> None:
    with pytest.raises(CatalogError, match="fp16"):
        load(POCKET.model_copy(update={"variant": "fp16"}))


def test_the_cpu_computes_on_the_cpu_whatever_the_device() -> None:
    assert Setup(Layout.CPU, "cuda", torch.float32, torch.float32).execution_device == "cpu"
    assert CPU.dtype("auto") is torch.float32


def test_convolutions_in_half_precision_are_laid_out_for_tensor_cores_and_nothing_else_changes() -> None:
    half = load(setup=Setup(Layout.CPU, "cpu", torch.float16, torch.float32)).pipeline
    before = {name: data.clone() for name, data in half.unet.state_dict().items()}
    assert half.unet.conv_in.weight.is_contiguous()  # a CPU's are as they were
    use_channels_last(half)
    assert half.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert not half.unet.conv_in.weight.is_contiguous()
    assert half.vae.decoder.conv_in.weight.is_contiguous()
    assert all(torch.equal(data, before[name]) for name, data in half.unet.state_dict().items())
