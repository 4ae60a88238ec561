"""Long and weighted prompts and skipped layers, with random weights in every kind's configuration and with the bundled
model; what is expected is drawn by diffusers' own pipelines, and compel's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compel import CompelForSD, CompelForSDXL

from contract.errors import CatalogError
from contract.model import GuidanceKind, Model
from contract.model_catalog import ModelCatalog
from contract.parameters import MAX_CLIP_SKIP, GenerationParameters, GenerationRequest
from contract.rung import Rung
from tests.random_models import write_model
from tests.worker.drawing import CARD, CATALOG, bytes_of, denoiser, difference, ignore
from tests.worker.test_denoise import _raise
from tests.worker.test_kinds import IDS, local
from tests.worker.test_out_of_memory import failing
from worker import drawing
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.drawing import Drawing
from worker.pipeline import LoadedPipeline
from worker.planned_model import PlannedModel
from worker.prompt_encoding import EncodedPrompt, encode_prompt
from worker.schedulers import build_scheduler
from worker.text_encoders import deepest_clip_skip, takes_embeddings

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
        return Drawing(self.planned, CARD, self.request(prompt, **asked), ignore).draw()

    @property
    def planned(self) -> PlannedModel:
        return self.draw_with.planned(self.model)

    def loaded(self) -> LoadedPipeline:
        self.planned.ladder = (Rung.ON_DEVICE,)
        return self.planned.pipeline(self.planned.plan(self.planned.default_demand()))

    def encode(self, prompt: str, **asked: Any) -> EncodedPrompt:
        return encode_prompt(self.loaded(), self.request(prompt, **asked))

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
    assert studio.model.prompt_weighting is takes_embeddings(pipeline)
    assert studio.model.limits.clip_skip == min(deepest_clip_skip(pipeline), MAX_CLIP_SKIP)


@pytest.mark.parametrize(
    ("model_id", "promise", "reason"),
    [
        ("pixart-sigma", {"prompt_weighting": True}, "prompt_weighting must be false"),
        ("flux-schnell", {"prompt_weighting": True}, "prompt_weighting must be false"),
        ("flux-schnell", {"clip_skip": 1}, "limits.clip_skip must be at most 0"),
        ("sdxl", {"clip_skip": 11}, "limits.clip_skip must be at most 10"),
        ("pocket", {"clip_skip": 2}, "limits.clip_skip must be at most 1"),
    ],
)
def test_a_model_that_promises_more_is_not_loaded(
    studio: Studio, tmp_path: Path, promise: dict[str, Any], reason: str
) -> None:
    limits = studio.model.limits.model_copy(update=promise)
    model = studio.model.model_copy(update={"limits": limits, **promise})
    with pytest.raises(CatalogError, match=reason):
        Studio(model, tmp_path).loaded()


@each_of_clip
def test_what_the_pipeline_can_do_itself_is_left_to_it(studio: Studio) -> None:
    room = 30 if studio.model.id == "pocket" else 75
    for prompt in ("a fox", " ".join(["fox"] * room)):
        assert studio.encode(prompt) == EncodedPrompt({"prompt": prompt})
        assert difference_of(studio.draw(prompt), studio.by_pipeline(prompt=prompt)) <= 1
    assert studio.encode(" ".join(["fox"] * (room + 1))).embeddings


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
    assert set(none.embeddings) == {"prompt_embeds", "pooled_prompt_embeds"}
    width = none.embeddings["prompt_embeds"].shape[-1]
    zeros = {
        "negative_prompt_embeds": torch.zeros(1, 2 * 77, width),
        "negative_pooled_prompt_embeds": torch.zeros_like(none.embeddings["pooled_prompt_embeds"]),
    }
    expected = studios["sdxl"].by_pipeline(**none.embeddings, **zeros)
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
    expected = draw(parameters, ignore)
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
    studio.encode("a fox", clip_skip=1)
    assert len(freed) == 1
    monkeypatch.setattr(studio.loaded().pipeline.text_encoder, "forward", _raise(RuntimeError("odd")))
    with pytest.raises(RuntimeError, match="odd"):
        studio.encode("a fox", clip_skip=1)
    assert len(freed) == 2


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
