"""The schedulers a model may offer, built afresh for every run from the model's pristine configuration.

Knows diffusers' scheduler classes; knows nothing of jobs.
"""

from typing import Any

import diffusers
from diffusers import SchedulerMixin

from contract.errors import CatalogError

_NAMES = frozenset(
    {
        "DDIMScheduler",
        "DDPMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "LCMScheduler",
        "PNDMScheduler",
        "UniPCMultistepScheduler",
    }
)


def build_scheduler(name: str, config: dict[str, Any]) -> SchedulerMixin:
    """A new scheduler of that diffusers class. Raises CatalogError for a name that is not offered.

    `clip_sample` off: from_config would turn it on for a source that lacks the key, and clip latents to +-1.
    """
    if name not in _NAMES:
        raise CatalogError(f"{name!r} is not a scheduler that Darkroom offers: {', '.join(sorted(_NAMES))}")
    scheduler: SchedulerMixin = getattr(diffusers, name).from_config(config, clip_sample=False)
    return scheduler
