"""The web UI's samplers and schedule types, and the schedulers that a model offers.

Knows names; knows nothing of requests.
"""

from contract.model import Model
from contract.parameters_text import AUTOMATIC, SCHEDULE_TYPES, sampler_and_schedule
from contract.schedulers import Scheduler
from service.inspection.sampler_names import named_scheduler


def sampler_names(model: Model) -> list[str]:
    """What the web UI would list: each sampler once, however its noise is spaced."""
    return list(dict.fromkeys(_sampler(each) for each in model.offered_schedulers))


def combined_names(model: Model, sampler: str) -> list[str]:
    """The names that hold both, as the web UI had them until its version 1.8."""
    names = [each.name for each in model.offered_schedulers if _sampler(each) == sampler]
    return [name for name in names if name != sampler]


def schedule_types(model: Model) -> list[str]:
    """Those that at least one of the model's samplers comes with."""
    offered = {_schedule(each) for each in model.offered_schedulers}
    return [AUTOMATIC, *(each for each in SCHEDULE_TYPES if each in offered)]


def choose_scheduler(model: Model, sampler: str | None, schedule: str | None) -> Scheduler | None:
    """The model's scheduler of that sampler; None where it has none.

    Without a sampler it is the default's. A schedule type that the sampler does not come with here is left out, as the
    web UI leaves out one that it does not know.
    """
    default_sampler, default_schedule = sampler_and_schedule(model.defaults.scheduler)
    if not sampler and (schedule or AUTOMATIC).casefold() == AUTOMATIC.casefold():
        schedule = default_schedule
    named, _ = named_scheduler(sampler or default_sampler, schedule or "")
    if named is None:
        return None
    offered = [each for each in model.offered_schedulers if _sampler(each) == _sampler(named)]
    return next((each for each in offered if _schedule(each) == _schedule(named)), next(iter(offered), None))


def _sampler(scheduler: Scheduler) -> str:
    return sampler_and_schedule(scheduler.name)[0]


def _schedule(scheduler: Scheduler) -> str:
    return sampler_and_schedule(scheduler.name)[1]
