"""The bundled model as it ships. What it can do in full is in its card; this sees that it is the one that can."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from models.train.behaviour import burnt, sharpness, size_bytes
from models.train.captions import meaningful_words
from models.train.drawing import background_colour, draw
from models.train.evaluate import POCKET
from models.train.scenes import COLOURS
from models.train.words import FILLERS


@pytest.fixture(scope="module")
def pipeline() -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(POCKET, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def configurations() -> list[Path]:
    return [*sorted(POCKET.rglob("*config.json")), POCKET / "model_index.json"]


def test_the_weights_take_at_most_20_megabytes() -> None:
    assert 10e6 < size_bytes(POCKET) <= 20e6


@pytest.mark.parametrize("path", configurations(), ids=lambda path: path.parent.name)
def test_no_configuration_says_where_the_model_was_made(path: Path) -> None:
    values = [value for value in json.loads(path.read_text()).values() if isinstance(value, str)]
    assert not [value for value in values if "/" in value]


def test_every_word_of_the_captions_is_one_token(pipeline: Any) -> None:
    words = sorted(meaningful_words().union(*(re.findall("[a-z]+", filler) for filler in FILLERS)))
    assert [word for word in words if len(pipeline.tokenizer.tokenize(word)) != 1] == []


def test_the_background_is_of_the_colour_that_the_prompt_names(pipeline: Any) -> None:
    pictures = draw(pipeline, [f"a photo of a hippo on a {colour} background" for colour in COLOURS])
    seen = [background_colour(picture) for picture in pictures]
    assert sum(name == colour for name, colour in zip(seen, COLOURS, strict=True)) >= len(COLOURS) - 1


def test_a_negative_prompt_removes_what_it_names(pipeline: Any) -> None:
    """The colour that comes most often where none is named. Before and after, the seeds are the same."""
    prompts = ["a hippo"] * 10
    seen = [background_colour(picture) for picture in draw(pipeline, prompts)]
    common = max(COLOURS, key=seen.count)
    assert seen.count(common) >= 3
    left = [background_colour(picture) for picture in draw(pipeline, prompts, negative=f"{common} background")]
    assert left.count(common) < seen.count(common) / 2


def test_one_step_is_a_blur_and_too_much_guidance_burns(pipeline: Any) -> None:
    prompts = ["a comic book rocket on a yellow background"] * 3
    good = draw(pipeline, prompts)
    assert sharpness(draw(pipeline, prompts, steps=1)) < 0.6 * sharpness(good)
    assert burnt(draw(pipeline, prompts, guidance=20.0)) > burnt(good) + 0.05


def test_two_seeds_give_two_pictures(pipeline: Any) -> None:
    first, second = draw(pipeline, ["a hippo"] * 2)
    assert np.abs(first.astype(int) - second).mean() > 5
