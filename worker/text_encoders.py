"""The text encoders of a pipeline: how far each reads, and whether they are such as prompts can be encoded for ahead.

Knows the names that diffusers gives a pipeline's parts; knows nothing of requests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any

from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from contract.model import GuidanceKind, Model

# What a pipeline's `encode_prompt` returns.
_OF_STABLE_DIFFUSION = ("prompt_embeds", "negative_prompt_embeds")
_OF_SDXL = (*_OF_STABLE_DIFFUSION, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
_OF_OTHERS = {
    "PixArtSigmaPipeline": (
        "prompt_embeds",
        "prompt_attention_mask",
        "negative_prompt_embeds",
        "negative_prompt_attention_mask",
    ),
    "FluxPipeline": ("prompt_embeds", "pooled_prompt_embeds"),
}


@dataclass(frozen=True)
class TextEncoder:
    """One text encoder with its tokenizer."""

    network: Any
    tokenizer: Any
    limit: int
    """Tokens that it reads, those at the start and the end included."""

    @property
    def is_clip(self) -> bool:
        return isinstance(self.network, (CLIPTextModel, CLIPTextModelWithProjection))

    @property
    def layers(self) -> int:
        return int(self.network.config.num_hidden_layers)

    def count(self, text: str) -> int:
        """Tokens of a text, without those at the start and the end."""
        return len(self._tokens(text)) - (2 if self.is_clip else 1)

    @property
    def room(self) -> int:
        """The largest count that it reads."""
        return self.limit - (2 if self.is_clip else 1)

    def unread(self, text: str) -> str:
        """The end of a text that it does not read, as its tokenizer writes it."""
        tokens = self._tokens(text)
        cut = tokens[self.limit - 1 : -1] if len(tokens) > self.limit else []
        return str(self.tokenizer.decode(cut)).strip()

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text, truncation=False).input_ids
        return tokens


def text_encoders(pipeline: Any) -> list[TextEncoder]:
    """In the order of their names in the pipeline."""
    takes = _call_parameters(pipeline.__class__)
    longest = takes["max_sequence_length"].default if "max_sequence_length" in takes else None
    return [
        TextEncoder(network, tokenizer, _limit(network, tokenizer, longest))
        for network, tokenizer in _pairs(pipeline)
        if network is not None and tokenizer is not None
    ]


def depends_on_clip_alone(pipeline: Any) -> bool:
    """Whether its pictures hang on CLIP's embeddings alone, through a network that takes any number of them."""
    found = text_encoders(pipeline)
    return hasattr(pipeline, "unet") and bool(found) and all(encoder.is_clip for encoder in found)


def embedding_names(pipeline: Any) -> tuple[str, ...]:
    """What its `encode_prompt` returns first, in order, by the names that its call takes; empty where not known."""
    if depends_on_clip_alone(pipeline):
        return _OF_SDXL if is_pooled(pipeline) else _OF_STABLE_DIFFUSION
    return _OF_OTHERS.get(type(pipeline).__name__, ())


def is_pooled(pipeline: Any) -> bool:
    """Whether it is of SDXL's kind: takes a second embedding of the whole prompt, and never an encoder's last layer."""
    return "pooled_prompt_embeds" in _call_parameters(pipeline.__class__)


def takes_scale_as_input(pipeline: Any) -> bool:
    """Whether its network is told the guidance scale, and every image of a call the same one: LCM, Flux dev."""
    if hasattr(pipeline, "unet"):
        return pipeline.unet.config.get("time_cond_proj_dim") is not None
    return hasattr(pipeline, "transformer") and bool(pipeline.transformer.config.get("guidance_embeds"))


def deepest_clip_skip(pipeline: Any) -> int:
    """So that one layer is left, beside the last one where the pipeline never takes it."""
    if not depends_on_clip_alone(pipeline):
        return 0
    fewest = min(encoder.layers for encoder in text_encoders(pipeline))
    return max(fewest - (2 if is_pooled(pipeline) else 1), 0)


def refuse_what_it_cannot(model: Model, pipeline: Any) -> None:
    """Raises ValueError for a model whose entry promises what its pipeline does not do."""
    if model.guidance is GuidanceKind.CLASSIFIER_FREE and takes_scale_as_input(pipeline):
        raise ValueError("guidance must be embedded: its network takes the scale as an input")
    if model.prompt_weighting and not depends_on_clip_alone(pipeline):
        raise ValueError("prompt_weighting must be false: its text encoders are not CLIP's alone")
    deepest = deepest_clip_skip(pipeline)
    if model.limits.clip_skip > deepest:
        raise ValueError(f"limits.clip_skip must be at most {deepest}, by the layers of its text encoders")


@cache  # asked for every prompt, and slow
def _call_parameters(pipeline_class: Any) -> Any:
    return signature(pipeline_class.__call__).parameters


def _pairs(pipeline: Any) -> Iterator[tuple[Any, Any]]:
    for name in sorted(pipeline.components):
        match = re.fullmatch(r"text_encoder(_\d+)?", name)
        if match:
            yield pipeline.components[name], pipeline.components.get(f"tokenizer{match[1] or ''}")


def _limit(network: Any, tokenizer: Any, longest: int | None) -> int:
    """`longest` is the pipeline's own, for its text encoders that could read more than CLIP."""
    if isinstance(tokenizer, CLIPTokenizer):
        return min(int(tokenizer.model_max_length), int(network.config.max_position_embeddings))
    return int(tokenizer.model_max_length) if longest is None else longest
