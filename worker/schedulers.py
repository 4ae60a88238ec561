"""The schedulers, built afresh for every run from the model's pristine configuration.

Knows diffusers' scheduler classes; knows nothing of jobs.
"""

from inspect import signature
from typing import Any

import diffusers
from diffusers import SchedulerMixin

from contract.errors import CatalogError
from contract.schedulers import find_scheduler


def build_scheduler(name: str, config: dict[str, Any]) -> SchedulerMixin:
    """A new scheduler of that name or class name. Raises CatalogError for a name that is not offered.

    `config` is the model's own: from_config carries over whatever an earlier scheduler was built with.
    """
    scheduler = find_scheduler(name)
    if scheduler is None:
        raise CatalogError(f"{name!r} is not a scheduler that Darkroom offers")
    scheduler_class = getattr(diffusers, scheduler.class_name)
    # from_config would turn it on for a source that lacks the key, and clip latents to +-1.
    clip = {"clip_sample": False} if "clip_sample" in signature(scheduler_class).parameters else {}
    built: SchedulerMixin = scheduler_class.from_config(config, **clip, **scheduler.options)
    return built
