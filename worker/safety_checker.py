"""A judge of pictures that comes with a model: the safety checker of Stable Diffusion 1.

Computes on the CPU in float32, whatever the model computes on: it takes none of the device's memory, and no rung there
changes for it. Knows diffusers' and transformers' files; knows nothing of jobs.
"""

from pathlib import Path
from typing import Any

import structlog
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL.Image import Image
from safetensors import SafetensorError
from transformers import CLIPImageProcessor

from contract.errors import CatalogError
from contract.model import Model
from worker.device import is_out_of_memory
from worker.footprint import FEATURE_EXTRACTOR, SAFETY_CHECKER, safety_checker_files
from worker.pipeline import UNFIT

log = structlog.get_logger("darkroom.worker")


class SafetyChecker:
    """Loaded, with what brings a picture into the form that it takes."""

    def __init__(self, checker: Any, extractor: Any) -> None:
        self._checker = checker
        self._extractor = extractor

    def withholds(self, image: Image) -> bool:
        values = self._extractor(image, return_tensors="pt").pixel_values
        # It also blackens what it is given as the pictures: here one that nobody looks at.
        _, found = self._checker(clip_input=values, images=[torch.zeros(1)])
        return bool(found[0])


def load_safety_checker(model: Model, source: Path) -> SafetyChecker | None:
    """The one that the model ships, None where it ships none.

    Raises CatalogError that names the model where it ships one that cannot be loaded, and what says that memory
    ran out.
    """
    folder = Path(model.config) if model.config else source
    try:
        files = safety_checker_files(model, source)
        if not files:
            return None
        variant = model.variant if model.variant and model.variant in files[0].stem else None
        checker = _read(folder / SAFETY_CHECKER, variant)
        extractor = CLIPImageProcessor.from_pretrained(folder / FEATURE_EXTRACTOR, local_files_only=True)
    except (*UNFIT, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise CatalogError(f"model {model.id!r}: its safety checker cannot be loaded: {error}") from error
    log.info("safety_checker_loaded", model=model.id)
    return SafetyChecker(checker, extractor)


def _read(folder: Path, variant: str | None) -> Any:
    checker: Any
    told: dict[str, Any]
    checker, told = StableDiffusionSafetyChecker.from_pretrained(  # type: ignore[misc]
        folder,
        variant=variant,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    # transformers makes up what is missing; and no comparison with what is no number is ever true.
    if told["missing_keys"]:
        raise ValueError(f"it lacks {min(told['missing_keys'])}")
    for name, tensor in checker.named_parameters():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds what is no number")
    return checker.eval()
