import pytest
from pydantic import ValidationError

from contract.errors import ParametersRefused
from contract.model import Model
from contract.parameters import MAX_SEED, GenerationParameters, GenerationRequest

MODEL = Model.model_validate(
    {
        "id": "tiny",
        "source": "nowhere",
        "schedulers": ["DDIMScheduler", "EulerDiscreteScheduler"],
        "defaults": {
            "width": 128,
            "height": 96,
            "num_inference_steps": 20,
            "guidance_scale": 4.0,
            "scheduler": "DDIMScheduler",
            "negative_prompt": "blurry",
        },
        "limits": {"width": 256, "height": 256, "pixels": 65536, "num_inference_steps": 50, "num_images_per_prompt": 4},
    }
)


@pytest.mark.parametrize(
    "body",
    [
        '{"prompt": "\\ud800"}',
        '{"prompt": "a", "guidance_scale": NaN}',
        '{"prompt": "a", "guidance_scale": 1e999}',
        '{"prompt": "a", "seed": ' + "9" * 5000 + "}",
        '{"prompt": "a", "seed": -1}',
        '{"prompt": "a", "seed": 4294967296}',
        '{"prompt": "a", "width": 129}',
        '{"prompt": "a", "width": "128"}',
        '{"prompt": "a", "num_inference_steps": true}',
        '{"prompt": "a", "sampler": "DDIM"}',
        '{"prompt": "a", "output_format": "gif"}',
        '{"prompt": "\\u0000"}',
        '{"prompt": "  "}',
        '{"prompt": null}',
        '{"prompt": "' + "a" * 4001 + '"}',
        "{}",
        "[]",
        "",
        b'{"prompt": "\xff"}',
    ],
)
def test_a_request_that_cannot_be_taken_is_refused(body: str | bytes) -> None:
    with pytest.raises(ValidationError):
        GenerationRequest.model_validate_json(body)


def test_missing_values_are_filled_from_the_models_defaults() -> None:
    parameters = MODEL.complete(GenerationRequest(prompt="a fox"), seed=7)
    assert parameters == GenerationParameters(
        prompt="a fox",
        negative_prompt="blurry",
        model="tiny",
        width=128,
        height=96,
        num_inference_steps=20,
        guidance_scale=4.0,
        num_images_per_prompt=1,
        seed=7,
        scheduler="DDIM",
        output_format="png",
    )


def test_what_the_request_names_is_kept() -> None:
    asked = GenerationRequest(
        prompt="a fox", negative_prompt="", seed=MAX_SEED, guidance_scale=0, scheduler="EulerDiscreteScheduler"
    )
    parameters = MODEL.complete(asked, seed=7)
    assert (parameters.negative_prompt, parameters.seed, parameters.guidance_scale) == ("", MAX_SEED, 0)
    assert parameters.scheduler == "Euler"


def test_every_field_above_a_limit_is_named() -> None:
    asked = GenerationRequest(
        prompt="a", width=512, height=64, num_inference_steps=51, num_images_per_prompt=5, scheduler="Foo"
    )
    with pytest.raises(ParametersRefused) as caught:
        MODEL.complete(asked, seed=7)
    assert [refusal.pointer for refusal in caught.value.refusals] == [
        "/width",
        "/num_inference_steps",
        "/num_images_per_prompt",
        "/scheduler",
    ]
    assert "256" in caught.value.refusals[0].detail
