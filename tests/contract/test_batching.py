"""What jobs must share to be drawn by one pipeline call."""

from typing import Any

import pytest

from contract.batching import batch_key
from contract.model import GuidanceKind, Model, ModelDefaults, ModelLimits
from contract.parameters import GenerationParameters
from tests.submissions import PARAMETERS

_GUIDED = PARAMETERS.model_copy(
    update={"width": 128, "num_inference_steps": 20, "scheduler": "DPM++ 2M Karras", "guidance_scale": 4.0}
)


def key_of(kind: GuidanceKind = GuidanceKind.CLASSIFIER_FREE, model_id: str = "pocket", **changes: Any) -> str:
    model = Model(
        id=model_id,
        source="models/pocket",
        guidance=kind,
        defaults=ModelDefaults(width=64, height=64, num_inference_steps=2, guidance_scale=1, scheduler="DDIM"),
        limits=ModelLimits(pixels=65536, num_inference_steps=100, num_images_per_prompt=8),
    )
    return batch_key(model, GenerationParameters.model_validate(_GUIDED.model_dump() | changes))


def test_it_reads_as_what_it_stands_for() -> None:
    assert key_of() == "pocket 128x64 20 DPM++ 2M Karras guided"
    assert key_of(guidance_scale=1.0) == "pocket 128x64 20 DPM++ 2M Karras"
    assert key_of(GuidanceKind.EMBEDDED, guidance_scale=3.5) == "pocket 128x64 20 DPM++ 2M Karras guidance 3.5"
    assert key_of(GuidanceKind.NONE, guidance_scale=0.0) == "pocket 128x64 20 DPM++ 2M Karras"


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "another"},
        {"negative_prompt": "blur"},
        {"seed": 9},
        {"num_images_per_prompt": 3},
        {"guidance_scale": 7.5},
        {"prompt_weighting": True},
        {"clip_skip": 2},
        {"embed_parameters": False},
        {"output_format": "webp"},
    ],
)
def test_what_is_each_jobs_own_is_not_in_it(changes: dict[str, Any]) -> None:
    assert key_of(**changes) == key_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"model_id": "other"},
        {"width": 64, "height": 128},
        {"height": 128},
        {"num_inference_steps": 21},
        {"scheduler": "DPM++ 2M"},
        {"guidance_scale": 1.0},
    ],
)
def test_what_a_pipeline_call_has_once_is_in_it(changes: dict[str, Any]) -> None:
    assert key_of(**changes) != key_of()


def test_a_scale_that_is_an_input_of_the_model_is_in_it() -> None:
    one, other = (key_of(GuidanceKind.EMBEDDED, guidance_scale=scale) for scale in (3.5, 3.6))
    assert one != other


def test_the_scale_of_a_model_without_guidance_is_not_in_it() -> None:
    one, other = (key_of(GuidanceKind.NONE, guidance_scale=scale) for scale in (0.0, 1.0))
    assert one == other
