"""How many elements a network's activations hold at their peak, from its configuration.

Counted on torch's meta device for every kind of model that ships, with fused attention; the formulas here are never
below that (tests/worker/test_activations.py). Knows diffusers' configurations; knows nothing of precisions, nor torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]

_ROUNDING = 1.01
_TEXT_TOKENS = 512
"""At most, of the text encoders that ship: T5 for Flux."""
_CLIP_TOKENS = 80


@dataclass(frozen=True)
class Activations:
    """Elements for each pixel of the image, and those that any image takes."""

    per_pixel: float
    constant: float = 0.0

    def elements(self, pixels: int) -> float:
        return self.per_pixel * pixels + self.constant


def step_activations(denoiser: Config, vae: Config) -> Activations:
    """Of one step, for each row of the batch. Raises KeyError or TypeError for a configuration of another kind."""
    side = 2 ** (len(vae["block_out_channels"]) - 1)
    if "block_out_channels" in denoiser:
        elements, constant = _unet(denoiser)
    else:
        elements, constant = _transformer(denoiser)
    return Activations(_ROUNDING * elements / side**2, _ROUNDING * constant)


def decode_activations(vae: Config) -> Activations:
    """Of one image: its last blocks, at the size of the picture, and the picture itself."""
    channels = vae["block_out_channels"]
    last, before = channels[0], channels[min(1, len(channels) - 1)]
    return Activations(max(3 * before, 4 * last + before) + 1.0)


def _unet(config: Config) -> tuple[float, float]:
    """Elements for each pixel of the latents: what the way down keeps for the way up, and the work of an up block.

    The most is held where a feed-forward layer has its gate beside its input (21 times the width of the block), or
    where a residual block has its skip connection.
    """
    channels = config["block_out_channels"]
    layers = config.get("layers_per_block", 2)
    depths = [layers] * len(channels) if isinstance(layers, int) else list(layers)
    attends = ["CrossAttn" in kind for kind in reversed(config["up_block_types"])]
    kept = peak = 0.0
    for level, width in enumerate(channels):
        below, above = channels[min(level + 1, len(channels) - 1)], channels[max(level - 1, 0)]
        kept += (depths[level] * width + above) / 4**level
        work = 21 * width + below if attends[level] else 3 * (width + below) + below
        peak = max(peak, kept + work / 4**level)
    text = _CLIP_TOKENS * (_widest(config.get("cross_attention_dim", 0)) + 4 * max(channels))
    return peak + config["in_channels"], text


def _transformer(config: Config) -> tuple[float, float]:
    """Elements for each pixel of the latents. Counted on Flux, the most of those that ship: image and text together."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    patch = max(config.get("patch_size", 1), 2)  # where the model does not, the pipeline folds two by two pixels
    token = 17 * width + 8 * config["attention_head_dim"] + 2 * config["in_channels"]
    text = _widest(config.get("joint_attention_dim") or config.get("caption_channels") or 0)
    return token / patch**2, _TEXT_TOKENS * (token + text)


def _widest(width: Any) -> int:
    """diffusers allows one width for all blocks or one for each."""
    return int(width if isinstance(width, int) else max(width))
