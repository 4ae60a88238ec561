from typing import Any

import pytest
from pydantic import ValidationError

from contract.errors import ParametersRefused
from contract.model import Model
from contract.parameters import GenerationRequest

ENTRY: dict[str, Any] = {
    "id": "tiny",
    "source": "weights",
    "defaults": {
        "width": 64,
        "height": 64,
        "num_inference_steps": 5,
        "guidance_scale": 1.0,
        "scheduler": "DDIM",
    },
    "limits": {"pixels": 128 * 128, "num_inference_steps": 10, "num_images_per_prompt": 2},
}


def model(**changes: Any) -> Model:
    return Model.model_validate(ENTRY | changes)


def complete(of: Model, **asked: Any) -> Any:
    return of.complete(GenerationRequest(prompt="a fox", **asked), seed=1)


def test_pixels_are_limited_whatever_the_sides() -> None:
    assert complete(model(), width=256, height=64).width == 256
    with pytest.raises(ParametersRefused, match="/width: times height, 20480 pixels, must be at most 16384"):
        complete(model(), width=160, height=128)


def test_the_scheduler_of_the_parameters_has_its_own_name_whatever_it_was_asked_by() -> None:
    assert complete(model(), scheduler="eulerdiscretescheduler").scheduler == "Euler"
    assert complete(model()).scheduler == "DDIM"


def test_a_scheduler_that_the_model_does_not_take_is_refused_with_those_that_it_does() -> None:
    only = model(schedulers=["DDIM", "Euler a"])
    with pytest.raises(ParametersRefused, match="/scheduler: must be one of DDIM, Euler a, or the diffusers class"):
        complete(only, scheduler="UniPC")


def test_a_model_that_lists_none_takes_all_of_its_defaults_family() -> None:
    assert {each.family for each in model().offered_schedulers} == {"diffusion"}
    few_steps = model(defaults=ENTRY["defaults"] | {"scheduler": "LCM"})
    assert [each.name for each in few_steps.offered_schedulers] == ["LCM", "TCD"]
    flow = model(defaults=ENTRY["defaults"] | {"scheduler": "Flow Euler"})
    assert [each.name for each in flow.offered_schedulers] == ["Flow Euler", "Flow Heun"]


def test_a_model_without_guidance_refuses_what_would_have_no_effect() -> None:
    turbo = model(guidance="none")
    assert complete(turbo, guidance_scale=0.0).guidance_scale == 0
    assert complete(turbo, negative_prompt="").negative_prompt == ""
    with pytest.raises(ParametersRefused) as caught:
        complete(turbo, guidance_scale=7.5, negative_prompt="blurry")
    assert [refusal.pointer for refusal in caught.value.refusals] == ["/negative_prompt", "/guidance_scale"]


def test_a_model_with_embedded_guidance_takes_the_scale_and_no_negative_prompt() -> None:
    lcm = model(guidance="embedded")
    assert complete(lcm, guidance_scale=8.0).guidance_scale == 8
    with pytest.raises(ParametersRefused, match="/negative_prompt: has no effect"):
        complete(lcm, negative_prompt="blurry")


def test_a_model_that_cannot_weigh_or_skip_layers_refuses_to() -> None:
    turbo = model(guidance="none")
    with pytest.raises(ParametersRefused) as caught:
        complete(turbo, prompt_weighting=True, clip_skip=1)
    assert caught.value.refusals == [
        ("/clip_skip", "must be at most 0 for model 'tiny'"),
        ("/prompt_weighting", "is not possible with model 'tiny': leave it out"),
    ]
    assert complete(turbo, prompt_weighting=False, clip_skip=0).clip_skip == 0


def test_layers_are_skipped_as_the_model_has_it_unless_the_request_says_otherwise() -> None:
    skips = model(
        defaults=ENTRY["defaults"] | {"clip_skip": 1}, limits=ENTRY["limits"] | {"clip_skip": 2}, prompt_weighting=True
    )
    assert [complete(skips, clip_skip=skip).clip_skip for skip in (None, 0, 2)] == [1, 0, 2]
    with pytest.raises(ParametersRefused, match="/clip_skip: must be at most 2"):
        complete(skips, clip_skip=3)


def test_weights_out_of_range_are_refused_only_where_they_would_weigh() -> None:
    weighs = model(prompt_weighting=True)
    with pytest.raises(ParametersRefused) as caught:
        complete(weighs, prompt_weighting=True, negative_prompt="((red:2):2) and (fox:1)")
    ((pointer, detail),) = caught.value.refusals
    assert (pointer, "less than 0 or more than 3" in detail) == ("/negative_prompt", True)
    assert complete(weighs, negative_prompt="(red:9)").negative_prompt == "(red:9)"
    assert complete(weighs, negative_prompt="(red:3)", prompt_weighting=True).prompt_weighting is True


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "owner/name", "revision": "main"}, "revision"),
        ({"source": "owner/name", "revision": COMMIT[:10]}, "revision"),
        ({"source": "folder", "revision": COMMIT}, "owner/name"),
        ({"source": "a/b/c", "revision": COMMIT}, "owner/name"),
        ({"source": "model.safetensors"}, "config is missing"),
        ({"config": "folder"}, "config belongs to"),
        ({"dtype": "int8"}, "dtype"),
        ({"memory": "little"}, "memory"),
        ({"guidance": "some"}, "guidance"),
        ({"schedulers": ["DDIM", "Nonsense"]}, "'Nonsense' is no scheduler that Darkroom knows: DDIM, "),
        ({"schedulers": ["Euler"]}, "defaults.scheduler is not in schedulers"),
        ({"variant": "../x"}, "variant"),
        ({"prompt_weighting": "yes, please"}, "prompt_weighting"),
        ({"limits": ENTRY["limits"] | {"clip_skip": 12}}, "limits.clip_skip"),
        ({"defaults": ENTRY["defaults"] | {"clip_skip": 1}}, "defaults.clip_skip must be at most 0"),
        ({"limits": ENTRY["limits"] | {"pixels": 64 * 63}}, "limits.pixels"),
        (
            {"guidance": "none", "defaults": ENTRY["defaults"] | {"guidance_scale": 7.5}},
            "defaults.guidance_scale must be at most 1",
        ),
        (
            {"guidance": "embedded", "defaults": ENTRY["defaults"] | {"negative_prompt": "blurry"}},
            "defaults.negative_prompt has no effect",
        ),
        ({"defaults": ENTRY["defaults"] | {"width": 512}}, "defaults.width times height"),
        ({"defaults": ENTRY["defaults"] | {"num_inference_steps": 50}}, "defaults.num_inference_steps must be at most"),
    ],
)
def test_an_entry_that_cannot_be_used_says_which_key_and_why(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        model(**changes)


def test_a_whole_entry_is_taken() -> None:
    entry = model(source="owner/name", revision=COMMIT, variant="fp16", dtype="float16", memory="model_offload")
    assert (entry.revision, entry.memory, entry.licence) == (COMMIT, "model_offload", None)
    assert model(source="x.safetensors", config="folder").is_file
