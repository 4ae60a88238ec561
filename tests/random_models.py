"""Text-to-image folders of real architectures with weights that mean nothing.

Knows the published configuration of each kind (`model_configurations/`, without safety checkers: a tiny one can be
added) and how diffusers lays a folder out. Knows nothing of what a good picture is: a prompt changes the noise that
comes out, no more.
"""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load, save_file

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


def write_shallow_model(folder: Path) -> Path:
    """A tiny Stable Diffusion 1.5 whose UNet has one level and one layer, for what takes long for each layer."""
    write_model(folder, "sd15", "tiny", "random")
    levels = {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "block_out_channels": [32]}
    config = component_config("sd15", "unet", "tiny") | levels | {"layers_per_block": 1}
    _write_json(folder / "unet" / "config.json", config)
    network = build("diffusers", "UNet2DConditionModel", config)
    write_random(folder / "unet" / "diffusion_pytorch_model.safetensors", shapes_of(network), torch.float16)
    return folder


def add_safety_checker(folder: Path, threshold: float) -> Path:
    """Has a model's folder ship a tiny safety checker, in diffusers' own class and the published files' layout.

    A picture is flagged where the cosine of its embedding and a random one is above the threshold, by its third digit.
    """
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    _write_json(folder / "model_index.json", index)
    _write_json(folder / "feature_extractor" / "preprocessor_config.json", {"size": 32, "crop_size": 32})
    layer = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    vision = layer | {"image_size": 32, "patch_size": 8, "projection_dim": 16}
    config = {"model_type": "clip", "projection_dim": 16, "vision_config": vision, "text_config": layer}
    _write_json(folder / "safety_checker" / "config.json", config)
    network = StableDiffusionSafetyChecker(transformers.CLIPConfig.from_dict(config))
    file = folder / "safety_checker" / "model.safetensors"
    write_random(file, shapes_of(network), torch.float32)
    weights = load(file.read_bytes())
    weights["concept_embeds"][:] = weights["concept_embeds"][0]
    weights["concept_embeds_weights"].fill_(threshold)
    weights["special_care_embeds_weights"].fill_(1.0)
    # As they were named when the files were published; transformers has since left one level out.
    published = {name.replace("vision_model.", "vision_model.vision_model.", 1): weights[name] for name in weights}
    save_file(published, file, {"format": "pt"})
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
