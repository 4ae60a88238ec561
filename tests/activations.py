"""How much memory a network's activations take, by running it on the meta device.

Counts every storage that is alive between two operations, and attention as its output alone, as in the fused kernels.
Knows nothing of an allocator's rounding and fragments, nor of a convolution's workspace: a floor, not a reading.
"""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_PIXELS_PER_LATENT = 8
_CLIP_TOKENS = 77
_PIXART_TOKENS = 300
_FLUX_TOKENS = 512


def denoiser_peak(network: Any, height: int, width: int, rows: int) -> int:
    """Bytes above the weights at the peak of one step; `height` and `width` are those of the image, in pixels."""
    inputs = _INPUTS[type(network).__name__]
    size = height // _PIXELS_PER_LATENT, width // _PIXELS_PER_LATENT
    return _peak(lambda: network(**inputs(network.config, *size, rows, network.dtype), return_dict=False))


def decode_peak(network: Any, height: int, width: int) -> int:
    """Bytes above the weights at the peak of the decoding of one image."""
    shape = 1, network.config.latent_channels, height // _PIXELS_PER_LATENT, width // _PIXELS_PER_LATENT
    return _peak(lambda: network.decode(_empty(*shape, dtype=network.dtype), return_dict=False))


def _peak(run: Callable[[], object]) -> int:
    storages = _LiveStorages()
    with torch.no_grad(), _FusedAttention(), storages:
        run()
    return storages.peak


class _LiveStorages(TorchDispatchMode):
    """Bytes of the storages that operations have made and nothing has let go of yet."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._live: dict[int, int] = {}
        self._total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and id(leaf.untyped_storage()) not in before:
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._live:
            return
        self._live[key] = storage.nbytes()
        self._total += storage.nbytes()
        self.peak = max(self.peak, self._total)
        weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self._total -= self._live.pop(key)


class _FusedAttention(TorchFunctionMode):
    """On the meta device torch would build the whole matrix of scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        named = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
        batch, heads, tokens, _ = named["query"].shape
        # Flash and memory-efficient kernels both write a token's heads next to each other.
        return named["query"].new_empty(batch, tokens, heads, named["value"].shape[-1]).transpose(1, 2)


def _unet_inputs(config: Any, height: int, width: int, rows: int, dtype: torch.dtype) -> dict[str, Any]:
    inputs = {
        "sample": _empty(rows, config.in_channels, height, width, dtype=dtype),
        "timestep": _empty(dtype=torch.int64),
        "encoder_hidden_states": _empty(rows, _CLIP_TOKENS, config.cross_attention_dim, dtype=dtype),
    }
    if config.time_cond_proj_dim is not None:
        inputs["timestep_cond"] = _empty(rows, config.time_cond_proj_dim, dtype=dtype)
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        text, times = _empty(rows, pooled, dtype=dtype), _empty(rows, 6, dtype=dtype)
        return inputs | {"added_cond_kwargs": {"text_embeds": text, "time_ids": times}}
    return inputs


def _pixart_inputs(config: Any, height: int, width: int, rows: int, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "hidden_states": _empty(rows, config.in_channels, height, width, dtype=dtype),
        "encoder_hidden_states": _empty(rows, _PIXART_TOKENS, config.caption_channels, dtype=dtype),
        "encoder_attention_mask": _empty(rows, _PIXART_TOKENS, dtype=torch.int64),
        "timestep": _empty(rows, dtype=torch.int64),
        "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
    }


def _flux_inputs(config: Any, height: int, width: int, rows: int, dtype: torch.dtype) -> dict[str, Any]:
    # The pipeline folds two by two latent pixels into the channels of one token.
    tokens = height // 2 * (width // 2)
    return {
        "hidden_states": _empty(rows, tokens, config.in_channels, dtype=dtype),
        "encoder_hidden_states": _empty(rows, _FLUX_TOKENS, config.joint_attention_dim, dtype=dtype),
        "pooled_projections": _empty(rows, config.pooled_projection_dim, dtype=dtype),
        "timestep": _empty(rows, dtype=dtype),
        "img_ids": _empty(tokens, 3, dtype=dtype),
        "txt_ids": _empty(_FLUX_TOKENS, 3, dtype=dtype),
    }


_INPUTS = {
    "UNet2DConditionModel": _unet_inputs,
    "PixArtTransformer2DModel": _pixart_inputs,
    "FluxTransformer2DModel": _flux_inputs,
}


def _empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")
