"""The bundled model, drawn in this process."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from contract.errors import CatalogError, GenerationFailed, InvalidOutput, ModelUnavailable, OutOfMemory
from contract.model_catalog import Model, ModelCatalog, read_model_catalog
from contract.parameters import GenerationParameters, GenerationRequest
from worker.denoise import Denoiser
from worker.execution import JobCanceled
from worker.memory import choose_device, choose_dtype, plan_memory
from worker.pipeline import WarmPipeline, load_pipeline
from worker.schedulers import build_scheduler
from worker.settings import WorkerSettings

CATALOG = read_model_catalog(Path(__file__).parents[2] / "models.toml")
SETTINGS = WorkerSettings(device="cpu")


@pytest.fixture(scope="module")
def draw() -> Denoiser:
    return Denoiser(CATALOG, SETTINGS)


@pytest.fixture(scope="module")
def warm(draw: Denoiser) -> WarmPipeline:
    return draw.warm_up()


def parameters(**changes: Any) -> GenerationParameters:
    asked = {"prompt": "a fox", "num_inference_steps": 3, "seed": 1} | changes
    return CATALOG.default.complete(GenerationRequest(**asked), 0)


def ignore(_step: int, _total: int) -> None:
    """Goes on."""


def test_the_two_phases_draw_what_the_pipeline_itself_draws(draw: Denoiser, warm: WarmPipeline) -> None:
    (image,) = draw(parameters(), ignore).images
    warm.pipeline.scheduler = build_scheduler("DDIMScheduler", warm.scheduler_config)
    (expected,) = warm.pipeline(
        "a fox",
        negative_prompt="",
        num_inference_steps=3,
        guidance_scale=CATALOG.default.defaults.guidance_scale,
        generator=torch.Generator().manual_seed(1),
    ).images
    assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_every_step_is_reported(draw: Denoiser) -> None:
    steps: list[tuple[int, int]] = []
    draw(parameters(), lambda step, total: steps.append((step, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_a_run_that_is_interrupted_leaves_nothing_for_the_next(draw: Denoiser) -> None:
    undisturbed = draw(parameters(), ignore).images[0].tobytes()

    def cancel(step: int, _total: int) -> None:
        if step == 2:
            raise JobCanceled

    with pytest.raises(JobCanceled):
        draw(parameters(scheduler="DPMSolverMultistepScheduler"), cancel)
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
    warm: WarmPipeline,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    raised: Exception,
    expected: type[Exception],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(getattr(warm.pipeline, part), "forward" if part == "unet" else "decode", _raise(raised))
        with pytest.raises(expected):
            draw(parameters(), ignore)
    assert len(draw(parameters(), ignore).images) == 1


def test_numbers_that_are_no_picture_are_not_handed_out_as_black(
    draw: Denoiser, warm: WarmPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = torch.full((1, 3, 128, 128), torch.nan)
    monkeypatch.setattr(warm.pipeline.vae, "decode", lambda *_, **__: (nothing,))
    with pytest.raises(InvalidOutput):
        draw(parameters(), ignore)


@pytest.mark.parametrize("scheduler", CATALOG.default.schedulers)
def test_every_scheduler_on_offer_keeps_the_models_training(warm: WarmPipeline, scheduler: str) -> None:
    config = build_scheduler(scheduler, warm.scheduler_config).config
    assert config["prediction_type"] == "v_prediction"
    assert config["timestep_spacing"] == "trailing"
    assert config["rescale_betas_zero_snr"] is True


def test_latents_are_not_clipped_where_the_configuration_says_nothing_of_it(warm: WarmPipeline) -> None:
    silent = {key: value for key, value in warm.scheduler_config.items() if key != "clip_sample"}
    assert build_scheduler("DDIMScheduler", silent).config["clip_sample"] is False


def test_a_scheduler_that_is_not_offered_is_refused(warm: WarmPipeline) -> None:
    with pytest.raises(CatalogError, match="'SchedulerMixin' is not a scheduler"):
        build_scheduler("SchedulerMixin", warm.scheduler_config)


def model(source: str) -> Model:
    return CATALOG.default.model_copy(update={"source": source})


def test_a_job_is_drawn_with_the_model_that_it_names(tmp_path: Path) -> None:
    twin = CATALOG.default.model_copy(update={"id": "twin"})
    broken = CATALOG.default.model_copy(update={"id": "broken", "source": str(tmp_path)})
    draw = Denoiser(ModelCatalog([CATALOG.default, twin, broken]), SETTINGS)
    asked = parameters(num_inference_steps=1)
    first = draw(asked, ignore).images[0].tobytes()
    assert draw(asked.model_copy(update={"model": "twin"}), ignore).images[0].tobytes() == first
    for unavailable in ("broken", "absent"):
        with pytest.raises(ModelUnavailable, match=f"'{unavailable}' cannot be loaded"):
            draw(asked.model_copy(update={"model": unavailable}), ignore)
    assert draw(asked, ignore).images[0].tobytes() == first


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=rf"model 'pocket': {tmp_path} cannot be loaded"):
        load_pipeline(model(str(tmp_path)), SETTINGS)


@pytest.mark.parametrize("spoil", ["truncate", "pickle"])
def test_weights_that_are_truncated_or_no_safetensors_are_refused(tmp_path: Path, spoil: str) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(CATALOG.default.source, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    if spoil == "truncate":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CatalogError, match=r"model 'pocket': .* cannot be loaded"):
        load_pipeline(model(str(folder)), SETTINGS)


def test_a_hub_model_that_cannot_be_fetched_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CatalogError, match=r"'pocket': someone/something is not on this machine.*connect once"):
        load_pipeline(model("someone/something"), SETTINGS)


@pytest.mark.parametrize(
    ("error", "advice"),
    [(GatedRepoError, "is gated.*HF_TOKEN"), (RepositoryNotFoundError, "neither a folder here nor a repository")],
)
def test_a_hub_that_says_no_is_passed_on_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, error: type[HfHubHTTPError], advice: str
) -> None:
    answer = httpx2.Response(403, request=httpx2.Request("GET", "http://localhost"))
    monkeypatch.setattr("worker.pipeline.hf_hub_download", _raise(error("no", response=answer)))
    with pytest.raises(CatalogError, match=advice):
        load_pipeline(model("someone/something"), SETTINGS)


def test_a_source_that_is_no_name_at_all_is_refused() -> None:
    with pytest.raises(CatalogError, match="neither a folder here"):
        load_pipeline(model("/no/such/folder"), SETTINGS)


def test_a_device_that_is_not_there_is_refused_and_auto_takes_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(CatalogError, match="DARKROOM_DEVICE=cuda"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((6, 1), torch.float32), ((7, 5), torch.float16), ((8, 6), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_a_card_gets_the_half_precision_that_it_computes_in(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert choose_dtype("cuda") is dtype


@pytest.mark.parametrize(("free_gib", "offload"), [(16, "none"), (4, "model_offload")])
def test_auto_swaps_idle_parts_out_only_where_they_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, free_gib: int, offload: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free_gib << 30, 16 << 30))
    assert plan_memory("auto", "cuda", 7 << 30, False).offload == offload
    assert plan_memory("sequential_offload", "cuda", 1, False).offload == "sequential_offload"
    assert plan_memory("model_offload", "cpu", 7 << 30, False).offload == "none"
