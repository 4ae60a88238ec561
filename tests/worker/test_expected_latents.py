"""What schedulers expect, for models that always predict one picture; and what is held for it, and for how long."""

import gc
import weakref
from typing import Any

import pytest
import torch

from contract.schedulers import SCHEDULERS, SchedulerFamily, find_scheduler
from worker.expected_latents import ExpectedLatents
from worker.schedulers import build_scheduler

STABLE_DIFFUSION = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
CLEAN = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def scheduler(name: str, **changes: Any) -> Any:
    built: Any = build_scheduler(name, STABLE_DIFFUSION | changes)
    built.set_timesteps(4)
    return built


def prediction(scheduler: Any, name: str, timestep: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Of a model that takes CLEAN to be the picture, whatever it is shown."""
    known = find_scheduler(name)
    assert known is not None
    if known.family is SchedulerFamily.FLOW_MATCHING:
        return (sample - CLEAN) / (timestep / 1000)
    signal = scheduler.alphas_cumprod[int(timestep)] ** 0.5
    noise = (1 - signal**2) ** 0.5
    scale = float((sample / scheduler.scale_model_input(sample, timestep)).mean())
    if scale > 1.01:  # noise is added to the picture as it is, not mixed with it
        signal, noise = torch.tensor(1.0), torch.tensor((scale**2 - 1) ** 0.5)
    epsilon = (sample - signal * CLEAN) / noise
    kinds = {"epsilon": epsilon, "sample": CLEAN, "v_prediction": signal * epsilon - noise * CLEAN}
    return kinds[scheduler.config.get("prediction_type")]


def steps(scheduler: Any, name: str, expected: ExpectedLatents) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """What each step returns, and what is expected of the second image after it."""
    generator = torch.Generator().manual_seed(2)
    sample = 0.5 * torch.randn(2, 4, 8, 8, generator=generator) * getattr(scheduler, "init_noise_sigma", 1.0)
    taken, seen = [], []
    torch.manual_seed(3)  # for those that add noise
    for timestep in scheduler.timesteps:
        predicted = prediction(scheduler, name, timestep, sample)
        sample, *_ = scheduler.step(predicted, timestep, sample, return_dict=False)
        taken.append(sample)
        seen.append(expected.of(1))
    return taken, seen


@pytest.mark.parametrize(
    ("name", "kind"),
    [(each.name, "epsilon") for each in SCHEDULERS] + [("DPM++ 2M", "v_prediction"), ("DPM++ 2M", "sample")],
)
def test_after_each_step_the_picture_that_the_model_predicts_is_expected(name: str, kind: str) -> None:
    plain, watched = scheduler(name, prediction_type=kind), scheduler(name, prediction_type=kind)
    unseen, nothing = steps(plain, name, ExpectedLatents(plain))
    expected = ExpectedLatents(watched)
    with expected.kept():
        taken, seen = steps(watched, name, expected)
    assert {latents is None for latents in nothing} == {True}
    for latents in seen:
        assert latents is not None
        assert torch.allclose(latents, CLEAN[1:], atol=0.05)
    assert torch.allclose(taken[-1], CLEAN, atol=0.1)  # the scheduler takes it to predict this too
    assert all(map(torch.equal, taken, unseen))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("DPM++ 2M", {"prediction_type": "flow_prediction"}),
        ("TCD", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}),  # nothing of the picture is left
    ],
)
def test_where_it_does_not_follow_there_is_nothing(name: str, changes: Any) -> None:
    unknown = scheduler(name, **changes)
    expected = ExpectedLatents(unknown)
    with expected.kept():
        unknown.step(CLEAN, torch.tensor(999), CLEAN)
        assert expected.of(0) is None


@pytest.mark.parametrize("name", ["DDIM", "DPM++ 2M"])
def test_a_step_is_held_until_it_is_forgotten_and_a_scheduler_never_holds_itself(name: str) -> None:
    watched = scheduler(name)
    expected = ExpectedLatents(watched)
    gc.disable()
    try:
        with expected.kept():
            sample = torch.randn(2, 4, 8, 8)
            output = watched.step(CLEAN, watched.timesteps[0], sample)
            held = weakref.ref(output.pred_original_sample if name == "DDIM" else sample)
            del sample, output
            assert held() is not None
            expected.forget()
            assert held() is None
            assert expected.of(0) is None
            watched.step(CLEAN, watched.timesteps[1], CLEAN)
        assert expected.of(0) is None
        held = weakref.ref(watched)
        del watched, expected
        assert held() is None
    finally:
        gc.enable()
