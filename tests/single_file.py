"""A diffusers folder as one checkpoint file, in the names of the original repositories: CompVis's for Stable Diffusion
1.5, Stability AI's generative-models for SDXL.

Knows how each network's tensors are named there, and what such a file holds besides; knows nothing of how it is read.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors.torch import load_file, save_file

from tests.random_models import build, component_config, parts_of, write_model
from tests.random_weights import shapes_of, write_random

FileKind = Literal["sd15", "sdxl"]
State = dict[str, torch.Tensor]
Names = dict[str, str]
"""How a name begins in diffusers, and how it begins in the original."""
Configs = Mapping[str, Mapping[str, Any]]
"""The `config.json` of each network."""

FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)

_APART = {"text_encoder_2": {"hidden_size": 64}, "unet": {"cross_attention_dim": 32 + 64}}
"""diffusers tells SDXL's two text encoders in a file apart by their width alone."""
PREFIXES: dict[FileKind, dict[str, str]] = {
    "sd15": {
        "unet": "model.diffusion_model.",
        "vae": "first_stage_model.",
        "text_encoder": "cond_stage_model.transformer.",
    },
    "sdxl": {
        "unet": "model.diffusion_model.",
        "vae": "first_stage_model.",
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
}
_UNET: Names = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_in.": "input_blocks.0.0.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
_UNET_BLOCK: Names = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}
_VAE_BLOCK: Names = {
    "conv_shortcut.": "nin_shortcut.",
    "group_norm.": "norm.",
    "to_q.": "q.",
    "to_k.": "k.",
    "to_v.": "v.",
    "to_out.0.": "proj_out.",
}
_OPEN_CLIP: Names = {
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "text_projection.weight": "text_projection",
}
_OPEN_CLIP_LAYER: Names = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}


def write_source(folder: Path, kind: FileKind) -> Path:
    """A tiny diffusers folder to make a single file of, in which no two tensors are the same."""
    write_model(folder, kind, "tiny", "random")
    for part, changes in _APART.items() if kind == "sdxl" else ():
        config = component_config(kind, part, "tiny") | changes
        (folder / part / "config.json").write_text(json.dumps(config))
        write_random(_weights_of(folder / part), shapes_of(build(*parts_of(kind)[part], config)), torch.float16)
    noise = torch.Generator().manual_seed(0)
    for part in PREFIXES[kind]:
        file = _weights_of(folder / part)
        state = _read(file)
        for tensor in state.values():
            tensor += 0.1 * torch.randn(tensor.shape, generator=noise)
        save_file(state, file)
    return folder


def write_single_file(folder: Path, kind: FileKind, source: Path) -> Path:
    """Writes `model.safetensors`, which is returned, and a folder `config` that has everything but weights."""
    shutil.copytree(source, folder / "config", ignore=shutil.ignore_patterns("*.safetensors"))
    configs = {part: json.loads((source / part / "config.json").read_text()) for part in PREFIXES[kind]}
    states = {part: _read(_weights_of(source / part)) for part in configs}
    file = folder / "model.safetensors"
    tensors = original_tensors(kind, configs, states) | unused_tensors(kind, states["unet"])
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def original_tensors(kind: FileKind, configs: Configs, states: Mapping[str, State]) -> State:
    """Every tensor of a diffusers pipeline's networks, under its original name and in its original shape."""
    renamed = {
        "unet": _unet(states["unet"], configs["unet"]),
        "vae": _vae(states["vae"], configs["vae"]),
        "text_encoder": _clip(states["text_encoder"]),
    }
    if kind == "sdxl":
        renamed["text_encoder_2"] = _open_clip(states["text_encoder_2"], configs["text_encoder_2"])
    prefixes = PREFIXES[kind]
    return {prefixes[part] + name: tensor for part, state in renamed.items() for name, tensor in state.items()}


def unused_tensors(kind: FileKind, unet: State) -> State:
    """What published files hold besides: buffers, and in those to train on a second denoiser, a running mean."""
    positions = {f"{PREFIXES[kind]['text_encoder']}text_model.embeddings.position_ids": torch.arange(77)[None]}
    if kind == "sdxl":
        return positions | {f"{PREFIXES[kind]['text_encoder_2']}logit_scale": torch.tensor(4.6)}
    mean = {"model_ema." + name.replace(".", ""): torch.zeros_like(tensor) for name, tensor in unet.items()}
    return positions | mean | {"alphas_cumprod": torch.zeros(1000), "betas": torch.zeros(1000)}


def _unet(state: State, config: Mapping[str, Any]) -> State:
    """The original counts all blocks in one row: after each resolution, one that halves it; doubling ends the last."""
    layers, names = config["layers_per_block"], dict(_UNET)
    for resolution, up_type in enumerate(config["up_block_types"]):
        first = resolution * (layers + 1)
        for layer in range(layers + 1):
            for part, place in (("resnets", 0), ("attentions", 1)):
                names[f"down_blocks.{resolution}.{part}.{layer}."] = f"input_blocks.{first + layer + 1}.{place}."
                names[f"up_blocks.{resolution}.{part}.{layer}."] = f"output_blocks.{first + layer}.{place}."
        after = 2 if "CrossAttn" in up_type else 1
        last = first + layers
        names[f"down_blocks.{resolution}.downsamplers.0.conv."] = f"input_blocks.{last + 1}.0.op."
        names[f"up_blocks.{resolution}.upsamplers.0.conv."] = f"output_blocks.{last}.{after}.conv."
    return _rename(state, names, _UNET_BLOCK)


def _vae(state: State, config: Mapping[str, Any]) -> State:
    """The original numbers the decoder's resolutions like the encoder's, from the finest on."""
    names: Names = {}
    coarsest = len(config["up_block_types"]) - 1
    for half, way, sampler in (("encoder", "down", "downsample"), ("decoder", "up", "upsample")):
        for block in range(coarsest + 1):
            here = f"{half}.{way}_blocks.{block}."
            there = f"{half}.{way}.{block if way == 'down' else coarsest - block}."
            names[f"{here}{sampler}rs.0."] = f"{there}{sampler}."
            for layer in range(config["layers_per_block"] + 1):
                names[f"{here}resnets.{layer}."] = f"{there}block.{layer}."
        names[f"{half}.mid_block.resnets.0."] = f"{half}.mid.block_1."
        names[f"{half}.mid_block.attentions.0."] = f"{half}.mid.attn_1."
        names[f"{half}.mid_block.resnets.1."] = f"{half}.mid.block_2."
        names[f"{half}.conv_norm_out."] = f"{half}.norm_out."
    renamed = _rename(state, names, _VAE_BLOCK)
    # The attention's linear layers are convolutions of one pixel there.
    return {
        name: tensor[:, :, None, None] if ".attn_1." in name and tensor.dim() == 2 else tensor
        for name, tensor in renamed.items()
    }


def _clip(state: State) -> State:
    """transformers' own names, from before it left out the `text_model` around them."""
    return {"text_model." + name.removeprefix("text_model."): tensor for name, tensor in state.items()}


def _open_clip(state: State, config: Mapping[str, Any]) -> State:
    """The queries, keys and values of a layer are one tensor there, and the projection is applied from the right."""
    names = dict(_OPEN_CLIP)
    for layer in range(config["num_hidden_layers"]):
        names[f"text_model.encoder.layers.{layer}."] = f"transformer.resblocks.{layer}."
    renamed = _rename(state, names, _OPEN_CLIP_LAYER)
    for first in [name for name in renamed if ".q_proj." in name]:
        fused = first.replace("self_attn.q_proj.", "attn.in_proj_")
        renamed[fused] = torch.cat([renamed.pop(first.replace("q_proj", f"{which}_proj")) for which in "qkv"])
    return renamed | {"text_projection": renamed["text_projection"].T}


def _rename(state: State, names: Names, inside: Names) -> State:
    """Replaces what each name begins with, and, within a block, what the rest begins with."""
    renamed: State = {}
    for name, tensor in state.items():
        block = next((begin for begin in names if name.startswith(begin)), "")
        rest = name.removeprefix(block)
        part = next((begin for begin in inside if rest.startswith(begin)), "") if block else ""
        renamed[names.get(block, "") + inside.get(part, "") + rest.removeprefix(part)] = tensor
    return renamed


def _weights_of(folder: Path) -> Path:
    (file,) = folder.glob("*.safetensors")
    return file


def _read(file: Path) -> State:
    state: State = load_file(file)
    return state
