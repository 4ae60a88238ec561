"""Parameters as the text that AUTOMATIC1111's web UI writes into pictures, and most image tools read.

Knows that text's names: https://github.com/AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py. The text is
for people and other tools: where a prompt holds lines that look like its own, it cannot be read back exactly.
"""

import json

from contract.parameters import GenerationParameters

SCHEDULE_TYPES = ("Karras", "Exponential", "SGM Uniform")
"""How the names of our schedulers end where the noise is spaced otherwise than the sampler would by itself."""
AUTOMATIC = "Automatic"
_FLOW = "Flow "


def parameters_text(parameters: GenerationParameters, seed: int) -> str:
    """The text of the image with that seed. The line of the negative prompt is always there: readers look for it."""
    sampler, schedule_type = sampler_and_schedule(parameters.scheduler)
    settings: dict[str, object] = {
        "Steps": parameters.num_inference_steps,
        "Sampler": sampler,
        "Schedule type": schedule_type,
        "CFG scale": parameters.guidance_scale,
        "Seed": seed,
        "Size": f"{parameters.width}x{parameters.height}",
        "Model": parameters.model,
    }
    if parameters.clip_skip:
        settings["Clip skip"] = parameters.clip_skip + 1  # there 1 leaves no layer out
    settings["Version"] = "Darkroom"
    line = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in settings.items())
    return f"{parameters.prompt}\nNegative prompt: {parameters.negative_prompt}\n{line}"


def sampler_and_schedule(scheduler: str) -> tuple[str, str]:
    """What the web UI calls the scheduler of that name: a sampler, and how the noise is spaced."""
    name = scheduler.removeprefix(_FLOW)
    for schedule_type in SCHEDULE_TYPES:
        if name.endswith(f" {schedule_type}"):
            return name.removesuffix(f" {schedule_type}"), schedule_type
    return name, AUTOMATIC


def _quoted(value: str) -> str:
    """As the web UI does: what would look like the next pair is written as a JSON string."""
    return json.dumps(value, ensure_ascii=False) if any(mark in value for mark in ",:\n") else value
