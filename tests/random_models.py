"""Text-to-image folders of real architectures with weights that mean nothing.

Knows the published configuration of each kind (`model_configurations/`, without safety checkers) and how diffusers lays
a folder out. Knows nothing of what a good picture is: a prompt changes the noise that comes out, no more.
"""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import diffusers
import torch
import transformers

from tests.random_tokenizers import write_tokenizer
from tests.random_weights import shapes_of, write_random, write_sparse

Kind = Literal["sd15", "sd-turbo", "sdxl", "sdxl-turbo", "ssd-1b", "lcm", "pixart-sigma", "flux"]
Size = Literal["full", "tiny"]
Weights = Literal["random", "sparse"]
Json = dict[str, Any]

KINDS: tuple[Kind, ...] = get_args(Kind)

_CONFIGURATIONS = Path(__file__).parent / "model_configurations"
_WEIGHT_FILES = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}


def write_model(
    folder: Path,
    kind: Kind,
    size: Size,
    weights: Weights,
    dtype: torch.dtype = torch.float16,
    variant: str | None = None,
) -> Path:
    """Writes a folder that `AutoPipelineForText2Image.from_pretrained` takes, and returns it.

    `tiny` keeps the classes and the eight pixels per latent, and makes every dimension small. `sparse` weights have
    a true header and a hole for data: they take no disk, and read as zeros.
    """
    configuration = _configuration(kind)
    for part, (library, class_name) in parts_of(kind).items():
        if part.startswith("tokenizer"):
            write_tokenizer(folder / part, class_name)
        elif part == "scheduler":
            _write_json(folder / part / "scheduler_config.json", configuration["components"][part])
        else:
            _write_json(folder / part / "config.json", component_config(kind, part, size))
            file = folder / part / ".".join(filter(None, (_WEIGHT_FILES[library], variant, "safetensors")))
            write = write_random if weights == "random" else write_sparse
            write(file, shapes_of(component(kind, part, size)), dtype)
    _write_json(folder / "model_index.json", configuration["model_index"])
    return folder


def component(kind: Kind, part: str, size: Size) -> torch.nn.Module:
    """One network of a kind on the meta device: shapes without storage."""
    return build(*parts_of(kind)[part], component_config(kind, part, size))


def build(library: str, class_name: str, config: Json) -> torch.nn.Module:
    """A network on the meta device, from the contents of its `config.json`."""
    with torch.device("meta"):
        if library == "diffusers":
            network: torch.nn.Module = getattr(diffusers, class_name).from_config(config)
        else:
            architecture = getattr(transformers, class_name)
            network = architecture(architecture.config_class.from_dict(config))
    return network.eval()


def component_config(kind: Kind, part: str, size: Size) -> Json:
    configuration = _configuration(kind)
    published: Json = configuration["components"][part]
    return published | configuration["tiny"].get(part, {}) if size == "tiny" else published


def parts_of(kind: Kind) -> dict[str, tuple[str, str]]:
    """Library and class of every part that a pipeline of this kind loads, by the name of its folder."""
    index = _configuration(kind)["model_index"]
    return {part: (entry[0], entry[1]) for part, entry in index.items() if isinstance(entry, list) and entry[0]}


def _configuration(kind: Kind) -> Json:
    content: Json = json.loads((_CONFIGURATIONS / f"{kind}.json").read_text())
    return content


def _write_json(file: Path, content: Json) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
