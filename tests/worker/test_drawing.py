"""One job through a denoiser: what is told, learned, given back and kept, and what is refused at loading."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from contract.errors import CatalogError
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from contract.rung import Rung
from tests.random_models import write_model
from tests.worker import test_warm_models
from tests.worker.drawing import CARD, CPU, POCKET_BYTES, Guest, bytes_of, denoiser, ignore, parameters
from tests.worker.test_denoise import POCKET, _raise, draw, loaded
from tests.worker.test_kinds import IDS, local
from tests.worker.test_out_of_memory import FOUR, failing
from tests.worker.test_warm_models import PLENTY, ROOM_FOR_TWO, run
from worker import denoise, drawing, model_files, phases, warm_models
from worker.denoise import Denoiser
from worker.device import Device
from worker.execution import DeviceLost
from worker.memory_plan import Layout
from worker.phases import ImageToDraw
from worker.pipeline import LoadedPipeline, Setup, load_pipeline
from worker.previews import PreviewArray
from worker.prompt_encoding import EncodedPrompt
from worker.schedulers import build_scheduler

__all__ = ["draw", "loaded"]  # fixtures

card = test_warm_models.draw

FOX = EncodedPrompt({"prompt": "a fox"})


def test_before_a_retry_what_nobody_holds_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = denoiser(tmp_path)
    held: list[BaseException | None] = []
    monkeypatch.setattr(Device, "collect", lambda _: held.append(sys.exception()))
    with failing(monkeypatch, "draw_latents", 100, calls=1):
        draw(parameters(**FOUR), ignore)
    assert held == [None]  # no exception, whose traceback would hold the activations


@pytest.mark.parametrize("scheduler", [each.name for each in POCKET.offered_schedulers])
def test_a_picture_is_the_same_whether_its_previews_are_seen_or_not(draw: Denoiser, scheduler: str) -> None:
    asked = parameters(scheduler=scheduler, num_images_per_prompt=2)
    unseen = draw(asked, ignore)
    seen: list[PreviewArray | None] = []
    watched = draw(asked, lambda _step, _total, peek: seen.append(peek()))
    assert [pixels is not None and pixels.shape for pixels in seen] == [*[(16, 16, 3)] * 3, False]
    assert bytes_of(watched) == bytes_of(unseen)


def test_before_a_retry_there_is_nothing_to_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[PreviewArray | None] = []
    with failing(monkeypatch, "draw_latents", 1, calls=1):
        drawn = denoiser(tmp_path)(parameters(), lambda _step, _total, peek: seen.append(peek()))
    assert [pixels is None for pixels in seen] == [True, False, False, False]
    assert bytes_of(drawn) == bytes_of(denoiser(tmp_path)(parameters(), ignore))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.AcceleratorError("an illegal instruction\nand advice"), "an illegal instruction"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR, or a prompt"), "RuntimeError"),
    ],
)
def test_an_error_of_the_device_itself_ends_the_process(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch, error: Any, words: str
) -> None:
    monkeypatch.setattr(drawing, "draw_latents", _raise(error))
    with pytest.raises(DeviceLost, match=f"^{words}$"):
        draw(parameters(), ignore)


@pytest.mark.parametrize("card", [ROOM_FOR_TWO], indirect=True)
def test_a_second_process_needs_room_on_the_card_too(card: Denoiser) -> None:
    run(card, "a")
    assert card.can_be_doubled()
    run(card, "b")
    assert not card.can_be_doubled()


def test_the_mean_is_of_images_and_without_the_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = denoiser(tmp_path, CPU)

    def draw_two(drawing: denoise.Drawing) -> None:
        drawing._seconds = {"load": 100.0, "denoise": 3.0}
        for share in drawing._shares:
            share.seconds = {"decode": 0.25, "filter": 0.25}
            drawing.images += 1

    monkeypatch.setattr(denoise.Drawing, "draw", draw_two)
    for _ in range(2):
        draw.draw_batch([Guest(parameters()), Guest(parameters())])
    assert draw.report()["pocket"].mean_seconds_per_image == 2.0  # what they did together counts once


def test_to_report_a_model_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = POCKET.model_copy(update={"id": "hub", "source": "some/one", "revision": "0" * 40})
    monkeypatch.setattr("worker.model_files.download", _raise(AssertionError("downloads")))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    draw = denoiser(tmp_path, CPU, ModelCatalog([hub]), allow_downloads=True)
    assert draw.report()["hub"].can_run is False


def test_a_model_that_takes_one_step_at_most_is_warmed_up_with_one(tmp_path: Path) -> None:
    limits = POCKET.limits.model_copy(update={"num_inference_steps": 1})
    defaults = POCKET.defaults.model_copy(update={"num_inference_steps": 1})
    quick = POCKET.model_copy(update={"limits": limits, "defaults": defaults})
    draw = denoiser(tmp_path, CPU, ModelCatalog([quick]))
    draw.warm_up()
    assert draw.report()["pocket"].state == "warm"


def test_a_models_own_rung_comes_before_the_workers(tmp_path: Path) -> None:
    own = POCKET.model_copy(update={"memory": "group_offload"})
    draw = denoiser(tmp_path, CARD, ModelCatalog([own]), memory=Rung.MODEL_OFFLOAD)
    assert draw.planned(own).ladder[0] is Rung.GROUP_OFFLOAD


class Counting(Device):
    def peak_bytes(self) -> int:
        return 2**30


def test_what_a_job_took_is_kept_for_the_next_worker(tmp_path: Path) -> None:
    draw = denoiser(tmp_path, Counting("cpu", CARD.ladder))
    draw(parameters(num_inference_steps=1), ignore)
    again = denoiser(tmp_path, Counting("cpu", CARD.ladder))
    assert again.planned(POCKET).memory.peaks == draw.planned(POCKET).memory.peaks != {}


def test_the_parts_go_off_the_device_after_each_phase_and_after_a_failure(
    loaded: LoadedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[int] = []
    monkeypatch.setattr(loaded.pipeline, "maybe_free_model_hooks", lambda: freed.append(1))
    with monkeypatch.context() as patch:
        patch.setattr(loaded.pipeline.unet, "forward", _raise(RuntimeError("odd")))
        with pytest.raises(RuntimeError, match="odd"):
            phases.draw_latents(loaded, [ImageToDraw(parameters(), FOX, 1)], ignore)
        assert len(freed) == 1
        patch.setattr(loaded.pipeline.vae, "decode", _raise(RuntimeError("odd")))
        with pytest.raises(RuntimeError, match="odd"):
            phases.decode(loaded, torch.zeros(1, loaded.pipeline.vae.config.latent_channels, 16, 16), None)
    assert len(freed) == 2


def test_a_decode_with_a_single_number_that_is_none_is_no_picture(
    loaded: LoadedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = torch.rand(1, 3, 128, 128)
    pixels[0, 0, 5, 5] = torch.nan
    monkeypatch.setattr(loaded.pipeline.vae, "decode", lambda *_, **__: (pixels,))
    assert phases.decode(loaded, torch.zeros(1, loaded.pipeline.vae.config.latent_channels, 16, 16), None) is None


def test_a_peak_is_noted_by_the_rows_of_a_step_and_by_the_pixels_that_are_decoded_at_once(tmp_path: Path) -> None:
    draw = denoiser(tmp_path, Counting("cpu", CARD.ladder), memory=Rung.VAE_TILING)
    draw(parameters(num_images_per_prompt=2, width=256, height=256, num_inference_steps=1), ignore)
    sizes = {where: list(seen) for where, seen in draw.planned(POCKET).memory.peaks.items()}
    assert sizes == {"on_device draw": [2 * 2 * 256 * 256], "on_device decode 128": [128 * 128]}


def test_a_picture_without_any_blue_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    red = Image.merge("RGB", [Image.linear_gradient("L"), Image.new("L", (256, 256)), Image.new("L", (256, 256))])
    monkeypatch.setattr(drawing, "decode", lambda *_: red)
    assert denoiser(tmp_path, CPU)(parameters(num_inference_steps=1), ignore).images == [red]


def test_a_hub_model_is_downloaded_only_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = POCKET.model_copy(update={"id": "hub", "source": "some/one", "revision": "0" * 40})
    monkeypatch.setattr(model_files, "download", lambda *_: tmp_path)
    assert model_files.locate(hub, allow_downloads=True, safety_checker=True) == tmp_path
    with pytest.raises(CatalogError, match="run `darkroom models pull hub`"):
        model_files.locate(hub, allow_downloads=False, safety_checker=True)


def test_a_model_weighs_what_it_does_on_the_rung_that_it_would_be_on(tmp_path: Path) -> None:
    half = POCKET.model_copy(update={"dtype": "bfloat16"})
    draw = denoiser(tmp_path, Device("cpu", (*CARD.ladder, Rung.CPU)), ModelCatalog([half]))
    assert draw.report()["pocket"].size_bytes == POCKET_BYTES // 2


def test_on_a_card_the_second_decode_is_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = POCKET.model_copy(update={"dtype": "bfloat16"})
    draw = denoiser(tmp_path, CARD, ModelCatalog([half]))
    seen: list[torch.dtype] = []

    def spoiled(loaded: LoadedPipeline, *arguments: Any) -> Image.Image | None:
        seen.append(loaded.pipeline.vae.dtype)
        return phases.decode(loaded, *arguments) if len(seen) > 1 else None

    monkeypatch.setattr(drawing, "decode", spoiled)
    assert len(draw(parameters(num_inference_steps=1), ignore).images) == 1
    assert seen == [torch.bfloat16, torch.float32]


def test_peaks_are_kept_for_each_revision_and_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoise, "locate", lambda *_: Path(POCKET.source))
    changes = [{}, {"dtype": "bfloat16"}, {"revision": "0" * 40}, {"revision": "1" * 40}]
    models = [POCKET.model_copy(update={"id": str(index)} | each) for index, each in enumerate(changes)]
    draw = denoiser(tmp_path, CARD, ModelCatalog(models))
    assert len({id(draw.planned(model).memory) for model in models}) == 4


@pytest.mark.parametrize("card", [ROOM_FOR_TWO], indirect=True)
def test_a_parked_model_is_moved_off_and_back_and_what_goes_is_collected(
    card: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(card, "a", "b")
    done: list[str] = []
    monkeypatch.setattr(
        card.models._entries["a"].loaded.pipeline, "to", lambda device, **_: done.append(f"to {device}")
    )
    monkeypatch.setattr(Device, "collect", lambda _: done.append("collect"))
    run(card, "c")
    assert done == ["to cpu", "collect"]
    card.models.drop("b")
    run(card, "a")
    assert done == ["to cpu", "collect", "collect", "to cpu"]


def park_where_one_has_room(card: Denoiser, model_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the CPU's memory, which from then on holds one model and no second."""
    card.models._park(model_id)
    monkeypatch.setattr(warm_models, "host_available_bytes", lambda: POCKET_BYTES * 3 // 2 - card.models.host_bytes)
    monkeypatch.setattr(warm_models, "_HOST_RESERVE_BYTES", 0)


@pytest.mark.parametrize("card", [ROOM_FOR_TWO], indirect=True)
def test_a_parked_model_makes_way_in_the_cpus_memory_for_one_that_is_loaded(
    card: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(card, "a", "b")
    park_where_one_has_room(card, "a", monkeypatch)
    assert run(card, "c") == ["cold", "warm", "warm"]


@pytest.mark.parametrize("card", [PLENTY], indirect=True)
@pytest.mark.parametrize(
    ("rung", "state"), [(Rung.ON_DEVICE, "in_memory"), (Rung.MODEL_OFFLOAD, "warm"), (Rung.GROUP_OFFLOAD, "cold")]
)
def test_what_makes_way_on_the_device(card: Denoiser, rung: Rung, state: str) -> None:
    card.planned(test_warm_models.A).ladder = (rung,)
    run(card, "a")
    card.models._park("a")
    assert card.models.state("a") == state


@pytest.mark.parametrize("card", [PLENTY], indirect=True)
def test_the_one_parked_longest_makes_way_in_the_cpus_memory_for_the_next(
    card: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(card, "a", "b")
    park_where_one_has_room(card, "a", monkeypatch)
    card.models._park("b")
    assert (card.models.state("a"), card.models.state("b")) == ("cold", "in_memory")


def test_on_a_device_that_shares_the_cpus_memory_all_weights_are_in_it(tmp_path: Path) -> None:
    draw = denoiser(tmp_path, CARD)
    draw(parameters(num_inference_steps=1), ignore)
    assert draw.host_bytes() == POCKET_BYTES


def test_tiles_are_set_to_their_side_and_not_left_as_the_model_has_them(loaded: LoadedPipeline) -> None:
    for side in (64, 128):
        image = phases.decode(loaded, torch.zeros(1, loaded.pipeline.vae.config.latent_channels, 32, 32), side)
        assert image is not None
        assert image.size == (256, 256)
        assert loaded.pipeline.vae.tile_latent_min_size == side // 8


def test_a_negative_prompt_changes_the_picture(draw: Denoiser) -> None:
    plain, without = (draw(parameters(negative_prompt=words), ignore).images[0] for words in ("", "a red fox"))
    assert plain.tobytes() != without.tobytes()


def test_a_run_sets_up_its_scheduler_from_the_models_own_configuration(loaded: LoadedPipeline) -> None:
    for name, karras in (("DPM++ 2M Karras", True), ("DPM++ 2M", False)):
        asked = parameters().model_copy(update={"scheduler": name})
        phases.draw_latents(loaded, [ImageToDraw(asked, FOX, 1)], ignore)
        assert bool(loaded.pipeline.scheduler.config["use_karras_sigmas"]) is karras


@pytest.mark.parametrize(("scheduler", "steps", "total"), [("DDIM", 2, 2), ("Heun", 3, 5)])
def test_as_many_steps_are_told_as_the_scheduler_takes(
    loaded: LoadedPipeline, scheduler: str, steps: int, total: int
) -> None:
    told: list[tuple[int, int]] = []
    asked = parameters(num_inference_steps=steps).model_copy(update={"scheduler": scheduler})
    phases.draw_latents(loaded, [ImageToDraw(asked, FOX, 1)], lambda step, of, _: told.append((step, of)))
    assert told == [(step, total) for step in range(1, total + 1)]


@pytest.mark.parametrize("model_id", ["sdxl", "pixart-sigma", "flux-schnell"])
def test_the_two_phases_draw_what_the_pipeline_of_each_kind_draws(tmp_path: Path, model_id: str) -> None:
    model = local(model_id, write_model(tmp_path / "model", IDS[model_id], "tiny", "random"), variant=None)
    draw = denoiser(tmp_path, CPU, ModelCatalog([model]))
    asked = {"width": 64, "height": 64, "num_inference_steps": 2}
    request = model.complete(GenerationRequest(prompt="a fox", **asked), seed=1)
    (image,) = draw(request, ignore).images
    planned = draw.planned(model)
    of = planned.pipeline(planned.plan(planned.demand(request)))
    of.pipeline.scheduler = build_scheduler(request.scheduler, of.scheduler_config)
    binning = {"use_resolution_binning": False, "clean_caption": False} if model_id == "pixart-sigma" else {}
    (expected,) = of.pipeline(
        "a fox", guidance_scale=request.guidance_scale, generator=torch.Generator().manual_seed(1), **asked, **binning
    ).images
    assert np.abs(np.asarray(image, np.int16) - np.asarray(expected, np.int16)).max() <= 1


ON_CPU = Setup(Layout.CPU, "cpu", torch.float32, torch.float32)


def test_weights_that_are_a_pickle_are_refused_even_where_it_is_whole(tmp_path: Path) -> None:
    copy = shutil.copytree(POCKET.source, tmp_path / "pocket")
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(CatalogError, match=r"model 'pocket': .* cannot be loaded"):
        load_pipeline(POCKET, copy, ON_CPU)


def test_a_scheduler_on_offer_that_the_configuration_rules_out_is_found_at_loading(tmp_path: Path) -> None:
    copy = shutil.copytree(POCKET.source, tmp_path / "pocket")
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_exponential_sigmas": True}))
    offers = POCKET.model_copy(update={"schedulers": ("DDIM", "DPM++ 2M Karras")})
    with pytest.raises(CatalogError, match=r"cannot be loaded: Only one of .*use_karras_sigmas"):
        load_pipeline(offers, copy, ON_CPU)


def test_memory_that_runs_out_while_loading_is_told_from_files_that_are_spoiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for words in ("CUDA out of memory.", "[enforce fail] DefaultCPUAllocator: can't allocate memory"):
        monkeypatch.setattr("worker.pipeline._read", _raise(RuntimeError(words)))
        with pytest.raises(RuntimeError, match=words[-6:]):
            load_pipeline(POCKET, Path(POCKET.source), ON_CPU)
