"""Prompts as embeddings: ordinary, long and weighted ones, skipped layers, several in a call, kept for the next one.

With random weights in every kind's configuration and with the bundled model; what is expected is drawn by diffusers'
own pipelines, and compel's.
"""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compel import CompelForSD, CompelForSDXL
from diffusers import PixArtSigmaPipeline

from contract.errors import CatalogError
from contract.model import GuidanceKind, Model
from contract.model_catalog import ModelCatalog
from contract.parameters import MAX_CLIP_SKIP, GenerationParameters, GenerationRequest
from contract.rung import Rung
from tests.random_models import write_model
from tests.worker.drawing import CARD, CATALOG, bytes_of, denoiser, difference, draw_with, ignore
from tests.worker.test_denoise import _raise
from tests.worker.test_kinds import IDS, local
from tests.worker.test_out_of_memory import failing
from worker import drawing
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.phases import ImageToDraw, draw_latents
from worker.pipeline import LoadedPipeline, load_pipeline
from worker.planned_model import PlannedModel
from worker.prompt_cache import PromptCache
from worker.prompt_encoding import EncodedPrompt, encode_prompt, prompt_arguments
from worker.schedulers import build_scheduler
from worker.text_encoders import deepest_clip_skip, depends_on_clip_alone, text_encoders

SMALL = {"width": 64, "height": 64, "num_inference_steps": 2}
LONG = "a red fox on a blue background, " * 10
"""80 tokens, of which CLIP reads 75."""


class Studio:
    """One model, whatever of it, on a card."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.model = model
        self.draw_with: Denoiser = denoiser(folder, CARD, ModelCatalog([model]))

    def request(self, prompt: str, **asked: Any) -> GenerationParameters:
        return self.model.complete(GenerationRequest(prompt=prompt, **{**SMALL, **asked}), seed=1)

    def draw(self, prompt: str, rung: Rung = Rung.ON_DEVICE, **asked: Any) -> Drawn:
        self.planned.ladder = (rung,)
        return draw_with(self.planned, CARD, self.request(prompt, **asked))

    @property
    def planned(self) -> PlannedModel:
        return self.draw_with.planned(self.model)

    def loaded(self, rung: Rung = Rung.ON_DEVICE) -> LoadedPipeline:
        self.planned.ladder = (rung,)
        return self.planned.pipeline(self.planned.plan(self.planned.default_demand()))

    def encode(self, prompt: str, **asked: Any) -> EncodedPrompt:
        return encode_prompt(self.loaded(), self.request(prompt, **asked))

    def latents(self, *prompts: EncodedPrompt, seed: int = 0, **options: Any) -> torch.Tensor:
        """Of one call, from embeddings; seeds count up from the first one's."""
        return self._call(range(seed, seed + len(prompts)), **prompt_arguments(prompts), **options)

    def from_text(self, request: GenerationParameters) -> torch.Tensor:
        """Of diffusers' own call."""
        negative = {"negative_prompt": request.negative_prompt} if request.negative_prompt else {}
        return self._call([0], prompt=request.prompt, guidance_scale=request.guidance_scale, **negative)

    def _call(self, seeds: Sequence[int], **arguments: Any) -> torch.Tensor:
        loaded, defaults = self.loaded(), self.model.defaults
        loaded.pipeline.scheduler = build_scheduler(defaults.scheduler, loaded.scheduler_config)
        own = {"use_resolution_binning": False, "clean_caption": False} if self.model.id == "pixart-sigma" else {}
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        options = {"guidance_scale": defaults.guidance_scale, **SMALL, **own, **arguments}
        latents: torch.Tensor = loaded.pipeline(generator=generators, output_type="latent", **options).images
        return latents

    def by_pipeline(self, **arguments: Any) -> np.ndarray:
        """The picture that diffusers' own call draws at the model's defaults."""
        loaded, defaults = self.loaded(), self.model.defaults
        loaded.pipeline.scheduler = build_scheduler(defaults.scheduler, loaded.scheduler_config)
        generator = torch.Generator().manual_seed(1)
        (image,) = loaded.pipeline(
            guidance_scale=defaults.guidance_scale, generator=generator, **SMALL, **arguments
        ).images
        return np.asarray(image, np.int16)


def pixels(drawn: Drawn) -> np.ndarray:
    return np.asarray(drawn.images[0], np.int16)


@pytest.fixture(scope="module")
def studios(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Studio]:
    """One for every entry that ships."""
    folder = tmp_path_factory.mktemp("studios")
    models = {
        model_id: local(model_id, write_model(folder / model_id, kind, "tiny", "random"), variant=None)
        for model_id, kind in IDS.items()
    }
    return {name: Studio(model, folder) for name, model in (models | {"pocket": CATALOG.default}).items()}


@pytest.fixture
def studio(studios: dict[str, Studio], model_id: str) -> Studio:
    return studios[model_id]


CLIP = ["pocket", "sd15", "sdxl", "lcm"]
LIKE_THEM = ["sd-turbo", "sdxl-turbo", "ssd-1b"]
OTHERS = ["pixart-sigma", "flux-schnell"]
each_of_clip = pytest.mark.parametrize("model_id", CLIP)


@pytest.mark.parametrize("model_id", [*CLIP, *LIKE_THEM, *OTHERS])
def test_an_entry_offers_what_its_pipeline_can(studio: Studio) -> None:
    pipeline = studio.loaded().pipeline
    assert studio.model.prompt_weighting is depends_on_clip_alone(pipeline)
    assert studio.model.limits.clip_skip == min(deepest_clip_skip(pipeline), MAX_CLIP_SKIP)


@pytest.mark.parametrize(
    ("model_id", "promise", "reason"),
    [
        ("pixart-sigma", {"prompt_weighting": True}, "prompt_weighting must be false"),
        ("flux-schnell", {"prompt_weighting": True}, "prompt_weighting must be false"),
        ("flux-schnell", {"clip_skip": 1}, "limits.clip_skip must be at most 0"),
        ("sdxl", {"clip_skip": 11}, "limits.clip_skip must be at most 10"),
        ("pocket", {"clip_skip": 2}, "limits.clip_skip must be at most 1"),
        ("lcm", {"guidance": GuidanceKind.CLASSIFIER_FREE}, "guidance must be embedded"),
    ],
)
def test_a_model_that_promises_more_is_not_loaded(
    studio: Studio, tmp_path: Path, promise: dict[str, Any], reason: str
) -> None:
    limits = studio.model.limits.model_copy(update=promise)
    model = studio.model.model_copy(update={"limits": limits, **promise})
    with pytest.raises(CatalogError, match=reason):
        Studio(model, tmp_path).loaded()


@pytest.mark.parametrize("model_id", [*CLIP, *LIKE_THEM, *OTHERS])
def test_an_ordinary_prompt_is_drawn_to_the_byte_as_the_pipeline_draws_its_text(studio: Studio) -> None:
    asked: list[dict[str, Any]] = [{}, {"guidance_scale": 1.0}]
    if studio.model.guidance is GuidanceKind.CLASSIFIER_FREE:
        asked += [{"negative_prompt": "a cat"}, {"negative_prompt": "a cat", "guidance_scale": 1.0}]
    room = 30 if studio.model.id == "pocket" else 75
    for prompt in ("A fox ", " ".join(["fox"] * room)):
        for options in asked:
            request = studio.request(prompt, **options)
            encoded = studio.encode(prompt, **options)
            assert not encoded.texts
            assert torch.equal(
                studio.latents(encoded, guidance_scale=request.guidance_scale), studio.from_text(request)
            )


@each_of_clip
def test_a_prompt_that_is_one_word_longer_is_read_in_two_chunks(studio: Studio) -> None:
    room = 30 if studio.model.id == "pocket" else 75
    one, two = (studio.encode(" ".join(["fox"] * words)).embeddings["prompt_embeds"] for words in (room, room + 1))
    assert two.shape[1] == 2 * one.shape[1]


def batch(studio: Studio) -> list[GenerationParameters]:
    """Requests that differ in all that a prompt can, where the model takes it; some may share a call."""
    prompts = ["a fox", "two dogs in the snow", LONG + "cat", LONG + "a dog on a hill"]
    asked = [{"prompt": prompt} for prompt in prompts]
    if studio.model.guidance is GuidanceKind.CLASSIFIER_FREE:
        asked += [
            {"prompt": prompt, "negative_prompt": negative} for prompt in prompts for negative in ("blue", "dark sky")
        ]
        asked += [{"prompt": "a fox", "negative_prompt": LONG + "cat"}]
    if studio.model.prompt_weighting:
        asked += [{"prompt": "a (red:1.4) fox", "prompt_weighting": True}, {"prompt": "a fox", "clip_skip": 1}]
    return [studio.request(**each) for each in asked]


@pytest.mark.parametrize("model_id", [*CLIP, "sdxl-turbo", *OTHERS])
def test_in_a_call_of_different_prompts_each_is_drawn_as_if_alone(studio: Studio) -> None:
    prompts = [encode_prompt(studio.loaded(), request) for request in batch(studio)]
    shapes = {prompt.shape: [each for each in prompts if each.shape == prompt.shape] for prompt in prompts}
    # A short one, and one that is read in chunks; PixArt and Flux read everything at once.
    assert len(shapes) == (1 if studio.model.id in OTHERS else 2)
    for together in shapes.values():
        drawn = studio.latents(*together)
        alone = torch.cat([studio.latents(prompt, seed=seed) for seed, prompt in enumerate(together)])
        scale = float(alone.abs().max())
        assert float((drawn - alone).abs().max()) < 1e-4 * scale
        # Its prompt is what makes a row what it is, by far more than that.
        swapped = torch.cat([studio.latents(prompt, seed=seed) for seed, prompt in enumerate(reversed(together))])
        assert len(together) == 1 or float((drawn - swapped).abs().max()) > 1e-3 * scale


def test_a_model_that_takes_its_guidance_as_an_input_needs_no_negative_embeddings(studios: dict[str, Studio]) -> None:
    assert studios["lcm"].model.defaults.guidance_scale > 1
    assert studios["lcm"].encode("a fox").embeddings.keys() == {"prompt_embeds"}


@pytest.mark.parametrize("model_id", ["pocket", "sdxl", "pixart-sigma"])
def test_what_is_guided_and_what_is_not_have_no_call_in_common(studio: Studio) -> None:
    guided, unguided = studio.encode("a fox"), studio.encode("a fox", guidance_scale=1.0)
    assert guided.shape != unguided.shape
    assert not any(name.startswith("negative") for name in unguided.embeddings)
    assert studio.encode("a fox", negative_prompt="a cat").shape == guided.shape


class _Unknown(PixArtSigmaPipeline):
    """Of a class whose embeddings are not known."""


def test_an_unknown_pipeline_gets_the_texts_and_only_the_same_ones_share_a_call(studios: dict[str, Studio]) -> None:
    studio = studios["pixart-sigma"]
    known = studio.loaded()
    pipeline = _Unknown(**known.pipeline.components)
    pipeline.set_progress_bar_config(disable=True)
    unknown = replace(known, pipeline=pipeline)
    requests = [studio.request("a fox", negative_prompt="a cat"), studio.request("a fox"), studio.request("a dog")]
    fox_no_cat, fox, dog = (encode_prompt(unknown, request) for request in requests)
    assert fox_no_cat == EncodedPrompt({"prompt": "a fox", "negative_prompt": "a cat"})
    assert len({fox_no_cat.shape, fox.shape, dog.shape}) == 3
    assert fox.shape == encode_prompt(unknown, requests[1]).shape
    assert prompt_arguments([fox, fox]) == {"prompt": ["a fox", "a fox"]}
    for request, prompt in zip(requests, (fox_no_cat, fox, dog), strict=True):
        expected = draw_latents(known, [ImageToDraw(request, encode_prompt(known, request), 0)], ignore)
        assert torch.equal(draw_latents(unknown, [ImageToDraw(request, prompt, 0)], ignore)[0], expected[0])
    long = studio.request(" ".join(["ox"] * 120) + " cat dog")
    assert encode_prompt(unknown, long).warnings == encode_prompt(known, long).warnings != []


def difference_of(drawn: Drawn, expected: np.ndarray) -> int:
    return int(np.abs(pixels(drawn) - expected).max())


@each_of_clip
def test_without_a_weight_in_it_a_prompt_is_drawn_to_the_byte_as_without_weighting(studio: Studio) -> None:
    plain = bytes_of(studio.draw("a red fox"))
    assert bytes_of(studio.draw("a red fox", prompt_weighting=True)) == plain
    assert bytes_of(studio.draw("a (red:1.0) fox", prompt_weighting=True)) == plain
    assert bytes_of(studio.draw(r"a \(red\) fox", prompt_weighting=True)) == bytes_of(studio.draw("a (red) fox"))


@pytest.mark.parametrize("model_id", [*CLIP, *LIKE_THEM])
def test_the_last_word_of_a_long_prompt_counts(studio: Studio) -> None:
    one, other = studio.draw(LONG + "cat"), studio.draw(LONG + "dog")
    assert difference(one, other) > 1
    assert one.warnings == []


def test_a_long_prompt_is_what_its_chunks_are_one_by_one(studios: dict[str, Studio]) -> None:
    foxes, cats, dogs = (" ".join([word] * 75) for word in ("fox", "cat", "dog"))
    for model_id in ("sd15", "sdxl"):
        studio = studios[model_id]
        together = studio.encode(f"{foxes} {cats}", negative_prompt=dogs).embeddings
        apart = [studio.loaded().pipeline.encode_prompt(text, device="cpu", **ONE) for text in (foxes, cats, dogs, "")]
        assert torch.equal(together["prompt_embeds"], torch.cat([apart[0][0], apart[1][0]], dim=1))
        assert torch.equal(together["negative_prompt_embeds"], torch.cat([apart[2][0], apart[3][0]], dim=1))
        if model_id == "sdxl":
            assert torch.equal(together["pooled_prompt_embeds"], apart[0][2])
            assert torch.equal(together["negative_pooled_prompt_embeds"], apart[2][2])


ONE = {"num_images_per_prompt": 1, "do_classifier_free_guidance": False}


@pytest.mark.parametrize("model_id", ["sd15", "pocket", "sdxl"])
def test_a_long_negative_prompt_counts_to_its_end_and_needs_no_long_prompt(studio: Studio) -> None:
    one, other = (studio.draw("a fox", negative_prompt=LONG + word) for word in ("cat", "dog"))
    assert difference(one, other) > 1


def test_sdxl_keeps_its_own_embeddings_for_no_negative_prompt_at_all(studios: dict[str, Studio]) -> None:
    none = studios["sdxl"].encode(LONG)
    assert none.embeddings["prompt_embeds"].shape[1] == 2 * 77
    # Handed no negative ones, the pipeline makes its own.
    expected = studios["sdxl"].by_pipeline(
        prompt_embeds=none.embeddings["prompt_embeds"], pooled_prompt_embeds=none.embeddings["pooled_prompt_embeds"]
    )
    assert difference_of(studios["sdxl"].draw(LONG), expected) <= 1


@pytest.mark.parametrize("model_id", ["sd15", "pocket", "sdxl"])
def test_weights_are_compels(studio: Studio) -> None:
    asked = {"negative_prompt": "(blue:0.3) cat", "prompt_weighting": True}
    ours = studio.encode("a (red:1.5) fox [sketch] (cat:0)", **asked).embeddings
    wrapper = CompelForSDXL if studio.model.id == "sdxl" else CompelForSD
    theirs = wrapper(studio.loaded().pipeline)(
        f"a (red)1.5 fox (sketch){1 / 1.1} (cat)0", negative_prompt="(blue)0.3 cat"
    )
    assert torch.equal(ours["prompt_embeds"], theirs.embeds)
    assert torch.equal(ours["negative_prompt_embeds"], theirs.negative_embeds)


@each_of_clip
def test_more_and_less_weight_each_change_the_picture(studio: Studio) -> None:
    drawn = [studio.draw(f"a ({weight}) fox", prompt_weighting=True) for weight in ("red:1", "red:1.4", "red:0.5")]
    assert difference(drawn[0], drawn[1]) > 1
    assert difference(drawn[0], drawn[2]) > 1
    assert difference(drawn[1], drawn[2]) > 1


@pytest.mark.parametrize("model_id", ["sdxl", "sdxl-turbo"])
@pytest.mark.parametrize("negative", ["", "a cat"])
def test_a_layer_is_skipped_as_the_pipeline_of_sdxl_does(studio: Studio, negative: str) -> None:
    if studio.model.guidance is GuidanceKind.NONE:
        negative = ""
    drawn = studio.draw("a fox", clip_skip=3, negative_prompt=negative)
    expected = studio.by_pipeline(prompt="a fox", clip_skip=3, negative_prompt=negative or None)
    assert difference_of(drawn, expected) <= 1
    assert difference(drawn, studio.draw("a fox", clip_skip=2, negative_prompt=negative)) > 1


@pytest.mark.parametrize("model_id", ["sd15", "sd-turbo", "lcm", "pocket"])
def test_a_layer_is_skipped_where_diffusers_cannot(studio: Studio) -> None:
    pipeline = studio.loaded().pipeline
    limit = pipeline.tokenizer.model_max_length
    tokens = pipeline.tokenizer("a fox", padding="max_length", max_length=limit, return_tensors="pt").input_ids
    encoder = pipeline.text_encoder
    with torch.no_grad():
        hidden = encoder(tokens, output_hidden_states=True).hidden_states
        assert torch.equal(encoder.final_layer_norm(hidden[-1]), encoder(tokens).last_hidden_state)
        expected = encoder.final_layer_norm(hidden[-2])
    embeddings = studio.encode("a fox", clip_skip=1).embeddings
    assert torch.equal(embeddings["prompt_embeds"], expected)
    if "negative_prompt_embeds" in embeddings:  # of which diffusers skips none
        nothing = pipeline.tokenizer("", padding="max_length", max_length=limit, return_tensors="pt").input_ids
        assert torch.equal(embeddings["negative_prompt_embeds"], encoder(nothing).last_hidden_state)
        # What the prompt is filled up with is encoded as the prompt is.
        filled_up = studio.encode("a fox", clip_skip=1, negative_prompt=LONG).embeddings["prompt_embeds"]
        with torch.no_grad():
            filler = encoder.final_layer_norm(encoder(nothing, output_hidden_states=True).hidden_states[-2])
        assert torch.equal(filled_up[:, :limit], expected)
        assert torch.equal(filled_up[:, limit : 2 * limit], filler)
    assert difference(studio.draw("a fox", clip_skip=1), studio.draw("a fox")) > 1


EVERYTHING = {"prompt_weighting": True, "clip_skip": 1, "num_images_per_prompt": 2}


@pytest.mark.parametrize(
    ("model_id", "rungs"),
    [("pocket", [Rung.SMALLER_BATCH, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD]), ("sdxl", [Rung.MODEL_OFFLOAD])],
)
def test_long_weighted_prompts_and_skipped_layers_combine_on_every_rung(studio: Studio, rungs: list[Rung]) -> None:
    prompt = f"(cat:1.4) [dog] {LONG}"
    expected = studio.draw(prompt, **EVERYTHING)
    for rung in rungs:
        assert difference(studio.draw(prompt, rung, **EVERYTHING), expected) <= 1, rung
    assert difference(studio.draw(prompt, **EVERYTHING | {"clip_skip": 0}), expected) > 1
    assert difference(studio.draw(f"cat dog {LONG}", **EVERYTHING), expected) > 1


def test_image_i_is_the_picture_of_a_single_request_with_the_next_seed(studios: dict[str, Studio]) -> None:
    together = studios["pocket"].draw(LONG + "(cat:1.4)", **EVERYTHING, seed=5)
    for index, image in enumerate(together.images):
        asked = EVERYTHING | {"num_images_per_prompt": 1, "seed": 5 + index}
        alone = pixels(studios["pocket"].draw(LONG + "(cat:1.4)", **asked))
        assert np.abs(np.asarray(image, np.int16) - alone).max() <= 1


def test_a_prompt_is_encoded_once_however_often_its_images_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = denoiser(tmp_path)
    asked = GenerationRequest(prompt=LONG, num_images_per_prompt=4, **SMALL)
    parameters = CATALOG.default.complete(asked, seed=1)
    expected = draw(parameters, ignore)
    encoded: list[EncodedPrompt] = []

    def encode(loaded: LoadedPipeline, parameters: GenerationParameters) -> EncodedPrompt:
        encoded.append(encode_prompt(loaded, parameters))
        return encoded[-1]

    monkeypatch.setattr(drawing, "encode_prompt", encode)
    with failing(monkeypatch, "draw_latents", 5, calls=1) as calls:
        drawn = draw(parameters, ignore)
    assert (len(calls), len(encoded)) == (3, 1)
    assert difference(drawn, expected) <= 1


def test_memory_that_runs_out_while_the_prompt_is_encoded_is_met_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = denoiser(tmp_path)
    parameters = CATALOG.default.complete(GenerationRequest(prompt=LONG, num_images_per_prompt=2, **SMALL), seed=1)
    expected = denoiser(tmp_path)(parameters, ignore)
    with failing(monkeypatch, "encode_prompt", 5, calls=1) as calls:
        drawn = draw(parameters, ignore)
    assert len(calls) == 2
    assert difference(drawn, expected) <= 1


def test_the_text_encoder_goes_off_the_device_after_it_and_after_a_failure(
    studios: dict[str, Studio], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = studios["pocket"]
    freed: list[int] = []
    monkeypatch.setattr(studio.loaded().pipeline, "maybe_free_model_hooks", lambda: freed.append(1))
    for asked in ({}, {"clip_skip": 1}):
        freed.clear()
        studio.encode(f"freed after {asked}", negative_prompt=f"freed {asked}", **asked)
        assert freed == [1]
        studio.encode(f"freed after {asked}", **asked)
        assert freed == [1]
    with monkeypatch.context() as patch:
        patch.setattr(studio.loaded().pipeline.text_encoder, "forward", _raise(RuntimeError("odd")))
        with pytest.raises(RuntimeError, match="odd"):
            studio.encode("not read before", clip_skip=1)
    assert freed == [1, 1]
    assert studio.encode("not read before", clip_skip=1).embeddings


@pytest.mark.parametrize("model_id", OTHERS)
def test_what_another_text_encoder_does_not_read_is_told_word_by_word(studio: Studio) -> None:
    words = 120 if studio.model.id == "pixart-sigma" else 200  # three tokens each, of 299 and 511
    told = studio.draw(" ".join(["ox"] * words) + " cat dog").warnings
    assert [warning.code for warning in told] == ["prompt_truncated"]
    assert told[0].detail.startswith("The model does not read the end of `prompt`: ")
    assert told[0].detail.endswith(" ox ox cat dog")
    assert studio.draw("a fox " * 12).warnings == []  # more than Flux's CLIP reads


def test_of_a_negative_prompt_too_and_not_without_end(studios: dict[str, Studio]) -> None:
    (warning,) = studios["pixart-sigma"].draw("a fox", negative_prompt="x" * 298 + " " + "y" * 600).warnings
    assert warning.detail == "The model does not read the end of `negative_prompt`: " + "y" * 300 + "…"


@contextmanager
def counting(studio: Studio, rung: Rung = Rung.ON_DEVICE) -> Iterator[list[str]]:
    """Yields the text encoders of the pipeline on that rung that have computed, each time by its class."""
    computed: list[str] = []
    hooks = [
        encoder.network.register_forward_hook(lambda network, *_: computed.append(type(network).__name__))
        for encoder in text_encoders(studio.loaded(rung).pipeline)
    ]
    yield computed
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("model_id", ["pocket", "sdxl", "lcm", *OTHERS])
def test_what_was_encoded_before_is_the_same_to_the_byte_and_costs_no_text_encoder(studio: Studio) -> None:
    requests = batch(studio)
    loaded = replace(studio.loaded(), prompts=PromptCache())
    with counting(studio) as computed:
        misses = [encode_prompt(loaded, request) for request in requests]
        assert computed
        computed.clear()
        hits = [encode_prompt(loaded, request) for request in requests]
    assert computed == []
    for request, miss, hit in zip(requests, misses, hits, strict=True):
        alone = encode_prompt(replace(loaded, prompts=PromptCache()), request)
        assert alone.shape == miss.shape == hit.shape
        for name, tensor in alone.embeddings.items():
            assert torch.equal(tensor, miss.embeddings[name])
            assert torch.equal(tensor, hit.embeddings[name])


@pytest.mark.parametrize("model_id", OTHERS)
def test_what_is_not_read_is_told_again_where_the_prompt_was_encoded_before(studio: Studio) -> None:
    words = 120 if studio.model.id == "pixart-sigma" else 200
    long = " ".join(["ox"] * words) + " told twice"
    (told,) = studio.encode(long).warnings
    with counting(studio) as computed:
        assert studio.encode(long).warnings == [told]
    assert computed == []
    assert told.detail.endswith("told twice")


@pytest.mark.parametrize("model_id", ["pocket", "pixart-sigma"])
def test_a_negative_prompt_is_encoded_once_for_all_the_prompts_that_it_comes_with(studio: Studio) -> None:
    studio.encode("one", negative_prompt="ugly, blurred")
    with counting(studio) as computed:
        studio.encode("another", negative_prompt="ugly, blurred")
        assert len(computed) == 1
        studio.encode("ugly, blurred")
        assert len(computed) == 1


def test_brackets_that_weigh_and_brackets_that_are_text_are_not_taken_for_each_other(
    studios: dict[str, Studio],
) -> None:
    asked: list[dict[str, Any]] = [{}, {"prompt_weighting": True}, {"clip_skip": 1}]
    first, *others = [studios["pocket"].encode("a (red) fox", **each).embeddings for each in asked]
    for other in others:
        assert not torch.equal(first["prompt_embeds"], other["prompt_embeds"])


def test_laid_out_anew_or_in_another_precision_a_pipeline_begins_with_nothing_kept(studios: dict[str, Studio]) -> None:
    studio, rungs = studios["pocket"], (Rung.ON_DEVICE, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD)
    expected = studio.draw("laid out anew")
    for rung in rungs:
        studio.draw("another prompt", rung)
        with counting(studio, rung) as computed:
            first = studio.draw("laid out anew", rung)
            assert len(computed) == (0 if rung is Rung.ON_DEVICE else 1)  # the empty negative prompt is there
            assert bytes_of(studio.draw("laid out anew", rung)) == bytes_of(first) == bytes_of(expected)
            assert len(computed) == (0 if rung is Rung.ON_DEVICE else 1)
    loaded = studio.loaded()
    half = load_pipeline(studio.model, Path(studio.model.source), replace(loaded.setup, dtype=torch.bfloat16))
    request = studio.request("laid out anew")
    kept = (
        encode_prompt(loaded, request).embeddings["prompt_embeds"],
        encode_prompt(half, request).embeddings["prompt_embeds"],
    )
    assert [each.dtype for each in kept] == [torch.float32, torch.bfloat16]


def test_a_draw_leaves_what_is_kept_as_it_was(studios: dict[str, Studio]) -> None:
    studio = studios["sdxl"]
    kept = studio.encode("kept").embeddings
    before = {name: each.clone() for name, each in kept.items()}
    studio.draw("kept")
    after = studio.encode("kept").embeddings
    assert all(torch.equal(after[name], each) for name, each in before.items())


def test_no_prompt_stays_in_the_cache_in_plain_words(studios: dict[str, Studio]) -> None:
    studio = studios["pocket"]
    studio.encode("wombat", negative_prompt="platypus")
    held = pickle.dumps(studio.loaded().prompts)
    assert b"prompt_embeds" in held
    assert b"wombat" not in held
    assert b"platypus" not in held
