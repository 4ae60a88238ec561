"""What other tools call our schedulers.

Knows the names of AUTOMATIC1111's web UI (modules/sd_samplers_kdiffusion.py there), of ComfyUI, Fooocus and NovelAI
(comfy/samplers.py) and of InvokeAI (invokeai/backend/stable_diffusion/schedulers/schedulers.py).
"""

from contract.parameters_text import SCHEDULE_TYPES
from contract.schedulers import Scheduler, find_scheduler

_SAMPLERS = {
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "dpm_2_ancestral": "DPM2 a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2s": "DPM++ 2S",
    "euler_a": "Euler a",
    "euler_ancestral": "Euler a",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "plms": "PNDM",
    "uni_pc": "UniPC",
}
"""The rest have our names, but for their case."""
_SCHEDULES = {each.casefold().replace(" ", "_"): each for each in SCHEDULE_TYPES}
_AS_THE_SAMPLER_DOES = frozenset(("", "automatic", "normal"))


def named_scheduler(sampler: str, schedule: str = "") -> tuple[Scheduler | None, bool]:
    """The scheduler of such a name, None where there is none, and whether it spaces the noise as `schedule` says."""
    name, spacing = sampler.casefold().removesuffix("_gpu"), schedule.casefold().replace(" ", "_")
    if name.startswith("k_"):
        name = name[2:]
    if name.endswith("_k"):
        name, spacing = name[:-2], spacing or "karras"
    found = find_scheduler(sampler) or find_scheduler(_SAMPLERS.get(name, name))
    if found is None or spacing in _AS_THE_SAMPLER_DOES:
        return found, True
    known = _SCHEDULES.get(spacing, "?")
    spaced = found if found.name.endswith(known) else find_scheduler(f"{found.name} {known}")
    return spaced or found, spaced is not None
