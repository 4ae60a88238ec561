from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import PixArtSigmaPipeline

from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from tests.random_models import write_model
from tests.worker.drawing import CARD, CATALOG, CPU, denoiser, draw_with, ignore, parameters
from tests.worker.test_kinds import IDS, local
from worker.memory_plan import Layout
from worker.phases import ImageToDraw, PeekLatents, best_tile, draw_latents
from worker.prompt_encoding import encode_prompt


@pytest.mark.parametrize(
    ("most", "sides", "tile"),
    [
        (64, (128, 128), 60),  # the last of three tiles is 38 wide; of 64, it would be 32
        (64, (96, 96), 64),
        (64, (97, 97), 52),  # of 64, a strip of one pixel would be left
        (64, (65, 32), 52),
        (32, (128, 128), 32),
        (16, (32, 32), 16),
    ],
)
def test_tiles_leave_no_narrow_strip(most: int, sides: tuple[int, int], tile: int) -> None:
    assert best_tile(most, sides, overlap=0.25) == tile


@pytest.mark.parametrize("size", [(256, 256), (256, 136), (232, 248)])
def test_a_picture_put_together_from_tiles_has_its_full_size(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    planned = denoiser(tmp_path).planned(CATALOG.default)
    planned.ladder = (CARD.ladder[1],)
    request = parameters(width=width, height=height, num_inference_steps=1)
    assert draw_with(planned, CARD, request).images[0].size == size


@pytest.mark.parametrize("model_id", ["sd15", "pixart-sigma", "flux-schnell"])
def test_after_each_step_the_latents_of_every_image_can_be_seen(tmp_path: Path, model_id: str) -> None:
    model = local(model_id, write_model(tmp_path / "model", IDS[model_id], "tiny", "random"), variant=None)
    planned = denoiser(tmp_path, CPU, ModelCatalog([model])).planned(model)
    asked = GenerationRequest(prompt="a fox", width=64, height=96, num_inference_steps=2, num_images_per_prompt=2)
    request = model.complete(asked, seed=1)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    loaded = planned.pipeline(planned.plan(planned.demand(request)))
    images = [ImageToDraw(request, encode_prompt(loaded, request), seed) for seed in (1, 2)]
    latents = draw_latents(loaded, images, lambda _step, _total, peek: seen.append((peek(0), peek(1))))
    for first, last, drawn in zip(*seen, latents, strict=True):
        assert first.shape == last.shape == drawn.shape
        assert torch.allclose(last, drawn, atol=1e-3)
        assert not torch.allclose(first, last, atol=1e-3)


def test_where_nothing_is_expected_the_latents_are_seen_as_they_are(tmp_path: Path) -> None:
    planned = denoiser(tmp_path, CPU).planned(CATALOG.default)
    request = parameters(num_inference_steps=2, scheduler="DPM++ 2M")
    loaded = planned.pipeline(planned.plan(planned.demand(request)))
    unknown = replace(loaded, scheduler_config=loaded.scheduler_config | {"prediction_type": "flow_prediction"})
    seen: list[torch.Tensor] = []
    image = ImageToDraw(request, encode_prompt(loaded, request), 1)
    (drawn,) = draw_latents(unknown, [image], lambda _step, _total, peek: seen.append(peek(0)))
    assert torch.equal(seen[1], drawn)
    assert not torch.equal(seen[0], drawn)


def test_what_was_expected_is_let_go_before_the_next_step(tmp_path: Path) -> None:
    planned = denoiser(tmp_path, CPU).planned(CATALOG.default)
    request = parameters(num_inference_steps=2)
    loaded = planned.pipeline(planned.plan(planned.demand(request)))
    peeks: list[PeekLatents] = []
    seen: list[torch.Tensor] = []

    def on_step(_step: int, _total: int, peek: PeekLatents) -> None:
        peeks.append(peek)
        seen.append(peek(0))

    late: list[torch.Tensor] = []
    loaded.pipeline.unet.register_forward_pre_hook(lambda *_: late.extend(peek(0) for peek in peeks))
    draw_latents(loaded, [ImageToDraw(request, encode_prompt(loaded, request), 1)], on_step)
    assert len(late) == 1
    assert not torch.equal(late[0], seen[0])


class _Seen(Exception):
    """With what a pipeline was called."""


class _Camera(PixArtSigmaPipeline):
    def __call__(self, **arguments: Any) -> None:
        raise _Seen(arguments)


def test_embeddings_are_brought_to_where_the_pipeline_computes_which_not_every_one_does_itself(tmp_path: Path) -> None:
    model = local("pixart-sigma", write_model(tmp_path / "model", "pixart-sigma", "tiny", "random"), variant=None)
    planned = denoiser(tmp_path, CPU, ModelCatalog([model])).planned(model)
    request = model.complete(GenerationRequest(prompt="a fox", width=64, height=64), seed=1)
    loaded = planned.pipeline(planned.plan(planned.demand(request)))
    prompt = encode_prompt(loaded, request)
    elsewhere = replace(loaded.setup, layout=Layout.ON_DEVICE, device="meta")
    camera = replace(loaded, setup=elsewhere, pipeline=_Camera(**loaded.pipeline.components))
    with pytest.raises(_Seen) as seen:
        draw_latents(camera, [ImageToDraw(request, prompt, 1)], ignore)
    tensors = {name: each for name, each in seen.value.args[0].items() if isinstance(each, torch.Tensor)}
    assert tensors.keys() == prompt.embeddings.keys()
    assert {each.device.type for each in tensors.values()} == {"meta"}
