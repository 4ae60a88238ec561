"""Which jobs may be drawn by one pipeline call.

Knows models and parameters; knows nothing of the line, or of how many jobs a device has room for.
"""

from contract.model import GuidanceKind, Model
from contract.parameters import GenerationParameters


def batch_key(model: Model, parameters: GenerationParameters) -> str:
    """What those jobs have in common: `pocket 128x128 20 DPM++ 2M Karras guided`.

    Prompts, seeds, formats and the scale of classifier-free guidance are each image's own.
    """
    size = f"{parameters.width}x{parameters.height}"
    parts = [model.id, size, str(parameters.num_inference_steps), parameters.scheduler]
    if model.guidance is GuidanceKind.CLASSIFIER_FREE and parameters.guidance_scale > 1:
        parts.append("guided")
    elif model.guidance is GuidanceKind.EMBEDDED:
        parts.append(f"{parameters.guidance_scale:g}")
    return " ".join(parts)
