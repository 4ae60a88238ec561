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
    return " ".join([model.id, size, steps, parameters.scheduler, *_guidance(model, parameters.guidance_scale)])


def _guidance(model: Model, scale: float) -> list[str]:
    if model.guidance is GuidanceKind.EMBEDDED:
        return [f"guidance {scale}"]
    return ["guided"] if model.is_guided(scale) else []
