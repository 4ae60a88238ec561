"""What a model weighs, read from its files without loading it: parameters from the headers of its safetensors, and what
its activations take from its configuration.

Knows diffusers' folders and files; knows nothing of devices or precisions, and not torch.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from contract.errors import CatalogError
from contract.model import Model
from worker.activations import Activations, decode_activations, step_activations

SAFETY_CHECKER = "safety_checker"
FEATURE_EXTRACTOR = "feature_extractor"
"""What brings a picture into the form that the safety checker takes."""
NOT_LOADED = frozenset({SAFETY_CHECKER, FEATURE_EXTRACTOR, "image_encoder"})
"""Components that a model may ship and its pipeline does without: worker/safety_checker.py loads the first two."""
_CHECKER_CLASS = "StableDiffusionSafetyChecker"
_CHECKER_ELEMENT_BYTES = 4
"""It is computed in float32."""

_WEIGHTS = re.compile(r"(?:diffusion_pytorch_model|model)(?:\.(?P<before>\w+))?(?:-\d+-of-\d+)?(?:\.(?P<after>\w+))?")
"""The stem of a weights file as diffusers and transformers name it; the variant stands before or after the shard."""
_FILE_PREFIXES = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
}
"""In a single file of Stable Diffusion. Nothing else in it is loaded: not a sampler's buffers, and not `model_ema.`, a
second denoiser in files to train on."""


@dataclass(frozen=True)
class Part:
    """A component: how many parameters it has, and how many are in its largest tensor."""

    parameters: int
    largest: int


@dataclass(frozen=True)
class Footprint:
    """A model's components, and what its activations hold at their peak."""

    parts: Mapping[str, Part]
    step: Activations
    """For each row of the batch; with guidance an image has two rows."""
    decode: Activations
    vae_overflows: bool
    """Whether its decode leaves the range of float16, as SDXL's does."""
    checker_bytes: int = 0
    """What its safety checker takes of the CPU's memory, wherever the rest is; 0 where there is none."""

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts.values())


def read_footprint(model: Model, source: Path, safety_checker: bool = False) -> Footprint:
    """Of a model whose files are at `source`, with its safety checker where it ships one and that is wanted.

    Raises CatalogError where they are not all there.
    """
    folder = Path(model.config) if model.config else source
    try:
        parts = dict(_file_parts(source, folder) if model.is_file else _folder_parts(source, model.variant))
        denoiser = next(name for name in ("unet", "transformer") if name in parts)
        config, vae = _read(folder / denoiser / "config.json"), _read(folder / "vae" / "config.json")
        return Footprint(
            parts=parts,
            step=step_activations(config, vae),
            decode=decode_activations(vae),
            vae_overflows=bool(vae.get("force_upcast", False)),
            checker_bytes=_checker_bytes(safety_checker_files(model, source)) if safety_checker else 0,
        )
    except (OSError, ValueError, SafetensorError, KeyError, TypeError) as error:
        raise CatalogError(f"model {model.id!r}: {source} is not whole: {error}") from error
    except StopIteration:
        raise CatalogError(f"model {model.id!r}: {source} holds neither a unet nor a transformer") from None


def safety_checker_files(model: Model, source: Path) -> list[Path]:
    """The weights of the safety checker that a model ships, none where it ships none.

    A single file ships one where the folder of its configuration holds the weights. Raises ValueError for one that is
    named and not there, or not known, and OSError.
    """
    folder = Path(model.config) if model.config else source
    entry = _read(folder / "model_index.json").get(SAFETY_CHECKER)
    if not isinstance(entry, list) or entry[0] is None:
        return []
    files = list(_weights_files(folder / SAFETY_CHECKER, model.variant))
    if not files and model.is_file:
        return []
    if not files:
        raise ValueError(
            "model_index.json names a safety checker, and there are no safetensors of it: that of a hub model is"
            f" fetched by `darkroom models pull {model.id}`, and DARKROOM_SAFETY_CHECKER=false does without"
        )
    if entry[1] != _CHECKER_CLASS:
        raise ValueError(f"its safety checker is none that is known here, a {_CHECKER_CLASS}")
    return files


def _checker_bytes(files: list[Path]) -> int:
    return _CHECKER_ELEMENT_BYTES * sum(size for file in files for _, size in _tensors(file))


def _folder_parts(folder: Path, variant: str | None) -> Iterator[tuple[str, Part]]:
    for name in _components(folder):
        files = list(_weights_files(folder / name, variant))
        if files:
            yield name, _part([size for file in files for _, size in _tensors(file)])
        elif (folder / name / "config.json").exists():
            raise ValueError(f"{name} has no safetensors" + (f" of variant {variant}" if variant else ""))


def _components(folder: Path) -> Iterator[str]:
    for name, component in _read(folder / "model_index.json").items():
        if isinstance(component, list) and component[0] is not None and name not in NOT_LOADED:
            yield name


def _weights_files(folder: Path, variant: str | None) -> Iterator[Path]:
    """Those of the variant, or, as diffusers does for a component that has none, those without one."""
    found: dict[str | None, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        match = _WEIGHTS.fullmatch(path.stem)
        if match:
            found.setdefault(match["before"] or match["after"], []).append(path)
    yield from found.get(variant) or found.get(None, [])


def _file_parts(file: Path, config: Path) -> Iterator[tuple[str, Part]]:
    sizes: dict[str, list[int]] = {}
    for name, size in _tensors(file):
        part = next((part for prefix, part in _FILE_PREFIXES.items() if name.startswith(prefix)), "")
        sizes.setdefault(part, []).append(size)
    for name in _components(config):
        if name in sizes:
            yield name, _part(sizes[name])
        elif (config / name / "config.json").exists():
            raise ValueError(f"it holds no {name} under the names of Stable Diffusion")


def _tensors(file: Path) -> Iterator[tuple[str, int]]:
    """Name and number of elements of every tensor."""
    with safe_open(file, framework="np") as weights:
        for name in weights.keys():  # noqa: SIM118  # no mapping
            yield name, prod(weights.get_slice(name).get_shape())


def _part(sizes: list[int]) -> Part:
    return Part(sum(sizes), max(sizes))


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document
