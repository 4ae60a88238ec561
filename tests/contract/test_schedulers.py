import diffusers
import pytest

from contract.schedulers import SCHEDULERS, Scheduler, SchedulerFamily, find_scheduler


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda scheduler: scheduler.name)
def test_every_scheduler_is_one_of_diffusers_with_options_that_it_takes(scheduler: Scheduler) -> None:
    scheduler_class = getattr(diffusers, scheduler.class_name)
    built = scheduler_class.from_config(scheduler_class().config, **scheduler.options)
    assert {name: built.config[name] for name in scheduler.options} == scheduler.options


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("DPM++ 2M Karras", "DPM++ 2M Karras"),
        ("dpm++ 2m karras", "DPM++ 2M Karras"),
        ("Euler a", "Euler a"),
        ("EulerAncestralDiscreteScheduler", "Euler a"),
        ("DDIMScheduler", "DDIM"),
        ("UniPCMultistepScheduler", "UniPC"),
        ("PNDMScheduler", "PNDM"),
        ("LCM", "LCM"),
        ("DPMSolverMultistepScheduler", "DPM++ 2M"),
    ],
)
def test_a_scheduler_is_found_by_either_name_in_any_case(asked: str, name: str) -> None:
    found = find_scheduler(asked)
    assert found is not None
    assert found.name == name


def test_no_two_schedulers_share_a_name() -> None:
    names = [scheduler.name.casefold() for scheduler in SCHEDULERS]
    assert len(set(names)) == len(names)


def test_a_family_holds_what_diffusers_calls_compatible() -> None:
    compatible = {each.__name__ for each in diffusers.DDIMScheduler().compatibles}
    for scheduler in SCHEDULERS:
        if scheduler.family is SchedulerFamily.DIFFUSION:
            assert scheduler.class_name in compatible


@pytest.mark.parametrize("name", ["", "Euler b", "SchedulerMixin", "LMS"])
def test_any_other_name_is_not_found(name: str) -> None:
    assert find_scheduler(name) is None
