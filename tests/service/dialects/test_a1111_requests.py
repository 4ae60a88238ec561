"""What a request of AUTOMATIC1111's becomes, by the kind of model that it is drawn with."""

from typing import Any

import pytest

from contract.errors import ParametersRefused
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import MAX_SEED
from service.dialects.a1111.samplers import choose_scheduler, combined_names, sampler_names, schedule_types
from service.dialects.a1111.txt2img import MAX_IMAGES, Txt2Img, job_requests
from tests.contract.test_model import model


def made(of: Model, **asked: Any) -> dict[str, Any]:
    """The only job, without what was left out."""
    request = Txt2Img.model_validate({"prompt": "a fox"} | asked)
    (job,) = job_requests(request, ModelCatalog([of]), of)
    return job.model_dump(exclude_none=True)


def offering(*schedulers: str) -> Model:
    return model(schedulers=schedulers, defaults=model().defaults.model_dump() | {"scheduler": schedulers[0]})


@pytest.mark.parametrize(
    ("sampler", "schedule", "name"),
    [
        ("Euler a", "Automatic", "Euler a"),
        ("Euler a", None, "Euler a"),
        ("euler a", "normal", "Euler a"),
        ("k_euler_a", "", "Euler a"),
        ("Euler a", "SGM Uniform", "Euler a SGM Uniform"),
        ("Euler a", "sgm_uniform", "Euler a SGM Uniform"),
        ("DPM++ 2M", "Karras", "DPM++ 2M Karras"),
        ("DPM++ 2M", "karras", "DPM++ 2M Karras"),
        ("DPM++ 2M Karras", "Automatic", "DPM++ 2M Karras"),
        ("DPM++ 2M", "Automatic", "DPM++ 2M"),
        ("DPM++ 2M", "KL Optimal", "DPM++ 2M"),
        ("DEIS", "Karras", "DEIS"),
        (None, None, "DPM++ 2M Karras"),
        ("", "automatic", "DPM++ 2M Karras"),
        (None, "Exponential", "DPM++ 2M Exponential"),
        ("LCM", None, None),
        ("DPM adaptive", None, None),
    ],
)
def test_a_sampler_and_a_schedule_type_name_a_scheduler(
    sampler: str | None, schedule: str | None, name: str | None
) -> None:
    all_of_a_family = model(defaults=model().defaults.model_dump() | {"scheduler": "DPM++ 2M Karras"})
    found = choose_scheduler(all_of_a_family, sampler, schedule)
    assert (found.name if found else None) == name


def test_a_sampler_is_the_models_however_its_noise_is_spaced_there() -> None:
    turbo, flow = offering("Euler SGM Uniform"), offering("Flow Euler")
    for of, name in ((turbo, "Euler SGM Uniform"), (flow, "Flow Euler")):
        assert sampler_names(of) == ["Euler"]
        for schedule in (None, "Automatic", "Simple", "Karras"):
            found = choose_scheduler(of, "Euler", schedule)
            assert found
            assert found.name == name
    assert (combined_names(turbo, "Euler"), schedule_types(turbo)) == (
        ["Euler SGM Uniform"],
        ["Automatic", "SGM Uniform"],
    )


def test_a_size_is_the_models_where_it_cannot_draw_it_and_a_named_one_is_kept() -> None:
    own = model().defaults
    for asked, drawn in (((1024, 1024), (own.width, own.height)), ((120, 100), (120, 96))):
        job = made(model(), width=asked[0], height=asked[1])
        assert (job["width"], job["height"]) == drawn
        override = {"sd_model_checkpoint": model().id}
        named = made(model(), width=asked[0], height=asked[1], override_settings=override)
        assert (named["width"], named["height"]) == tuple(side // 8 * 8 for side in asked)


def test_what_a_model_is_run_without_is_left_out_for_those_who_cannot_know() -> None:
    asked = {"negative_prompt": "ugly", "cfg_scale": 7, "steps": 999}
    most = model().limits.num_inference_steps
    guided, turbo, embedded = (made(model(guidance=kind), **asked) for kind in ("classifier_free", "none", "embedded"))
    assert (guided["negative_prompt"], guided["guidance_scale"], guided["num_inference_steps"]) == ("ugly", 7, most)
    assert (turbo["negative_prompt"], turbo["guidance_scale"]) == ("", 1)
    assert (embedded["negative_prompt"], embedded["guidance_scale"]) == ("", 7)
    named = made(
        model(guidance="none"), **asked | {"steps": 9, "override_settings": {"sd_model_checkpoint": model().id}}
    )
    assert (named["negative_prompt"], named["guidance_scale"]) == ("ugly", 7)  # which the model then refuses


def test_brackets_weigh_where_the_model_can() -> None:
    assert [made(model(prompt_weighting=able))["prompt_weighting"] for able in (True, False)] == [True, False]


def test_the_highest_seeds_and_most_images_are_taken_and_no_more() -> None:
    of = model()
    request = Txt2Img(prompt="a fox", seed=MAX_SEED - MAX_IMAGES + 1, batch_size=MAX_IMAGES)
    jobs = job_requests(request, ModelCatalog([of]), of)
    assert sum(job.num_images_per_prompt for job in jobs) == MAX_IMAGES
    assert (jobs[-1].seed or 0) + jobs[-1].num_images_per_prompt - 1 == MAX_SEED
    for more in ({"seed": MAX_SEED - MAX_IMAGES + 2}, {"n_iter": 2}):
        with pytest.raises(ParametersRefused):
            job_requests(request.model_copy(update=more), ModelCatalog([of]), of)
