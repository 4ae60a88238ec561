"""Which jobs can be drawn by one pipeline call. Knows parameters and kinds of guidance; knows nothing of the line."""

from contract.model import GuidanceKind, Model
from contract.parameters import GenerationParameters


def batch_key(model: Model, parameters: GenerationParameters) -> str:
    """What jobs must share: `pocket 128x128 20 DPM++ 2M Karras guided`.

    Prompts and their weighting, seeds, layers left out and formats are each job's own, and so is the scale of
    classifier-free guidance: a step computes both halves of it or one, whatever the scale is.
    """
    size = f"{parameters.width}x{parameters.height}"
    steps = str(parameters.num_inference_steps)
    return " ".join([model.id, size, steps, parameters.scheduler, *_guidance(model.guidance, parameters)])


def _guidance(kind: GuidanceKind, parameters: GenerationParameters) -> list[str]:
    if kind is GuidanceKind.EMBEDDED:
        return [f"guidance {parameters.guidance_scale}"]
    return ["guided"] if kind is GuidanceKind.CLASSIFIER_FREE and parameters.guidance_scale > 1 else []
