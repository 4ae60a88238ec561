"""What a pipeline is told of the prompts: the texts themselves, or embeddings where a text alone would not do.

Embeddings are made ahead where a prompt is longer than CLIP reads, where its words weigh, and where layers are skipped:
diffusers would cut the first off and knows nothing of the second. Weights are compel's. Knows text encoders; knows
nothing of latents, or of memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from compel import EmbeddingsProvider  # type: ignore[import-untyped]
from transformers import CLIPTextModelWithProjection

from contract.job import JobWarning
from contract.model import GuidanceKind
from contract.parameters import GenerationParameters
from contract.prompt_weights import Piece, pieces_of
from worker.pipeline import LoadedPipeline
from worker.prompt_chunks import Chunk, chunks_of
from worker.text_encoders import TextEncoder, is_pooled, takes_embeddings, text_encoders

_MOST_CHARACTERS = 300
"""Of a warning's words."""


@dataclass(frozen=True)
class EncodedPrompt:
    """The prompts of one image, by the pipeline's names for them; embeddings are batches of one on the CPU."""

    texts: Mapping[str, str]
    embeddings: Mapping[str, torch.Tensor] = field(default_factory=dict)
    warnings: list[JobWarning] = field(default_factory=list)

    def arguments(self, images: int) -> dict[str, Any]:
        """For a pipeline call of so many images."""
        texts = {name: [text] * images for name, text in self.texts.items()}
        return texts | {name: torch.cat([each] * images) for name, each in self.embeddings.items()}


def encode_prompt(loaded: LoadedPipeline, parameters: GenerationParameters) -> EncodedPrompt:
    """The texts as they are where the pipeline itself does with them what was asked for: the same bytes as ever."""
    pipeline = loaded.pipeline
    pieces = {"prompt": pieces_of(parameters.prompt, weighs=parameters.prompt_weighting)}
    # Not an empty one: SDXL has embeddings of its own for none at all.
    if loaded.model.guidance is GuidanceKind.CLASSIFIER_FREE and parameters.negative_prompt:
        pieces["negative_prompt"] = pieces_of(parameters.negative_prompt, weighs=parameters.prompt_weighting)
    texts = {name: "".join(piece.text for piece in each) for name, each in pieces.items()}
    encoders = text_encoders(pipeline)
    if not takes_embeddings(pipeline):
        return EncodedPrompt(texts, warnings=list(_truncations(texts, encoders)))
    weighs = any(piece.weight != 1 for each in pieces.values() for piece in each)
    is_long = any(encoder.count(text) > encoder.room for encoder in encoders for text in texts.values())
    if not (weighs or is_long or parameters.clip_skip):
        return EncodedPrompt(texts)
    try:
        return EncodedPrompt({}, _embeddings(loaded, pieces, parameters))
    finally:
        pipeline.maybe_free_model_hooks()


def _truncations(texts: Mapping[str, str], encoders: Sequence[TextEncoder]) -> Iterator[JobWarning]:
    for name, text in texts.items():
        # What one encoder does not read, another may: Flux's CLIP sees the beginning, its T5 the whole.
        unread = min((encoder.unread(text) for encoder in encoders), key=len, default="")
        if unread:
            words = unread if len(unread) <= _MOST_CHARACTERS else f"{unread[:_MOST_CHARACTERS]}…"
            yield JobWarning(code="prompt_truncated", detail=f"The model does not read the end of `{name}`: {words}")


@torch.no_grad()
def _embeddings(
    loaded: LoadedPipeline, pieces: Mapping[str, Sequence[Piece]], parameters: GenerationParameters
) -> dict[str, torch.Tensor]:
    """Of the prompt and, where the pipeline needs it, of the negative prompt, as long as each other."""
    pipeline, pooled = loaded.pipeline, is_pooled(loaded.pipeline)
    encoders = text_encoders(pipeline)
    names = ["prompt", *(["negative_prompt"] if _needs_negative(pipeline, pieces, parameters) else [])]
    room = min(encoder.room for encoder in encoders)
    chunks = {name: chunks_of(pieces.get(name, []), partial(_count, encoders), room) for name in names}
    length = max(map(len, chunks.values()))
    parts: dict[str, list[torch.Tensor]] = {}
    for encoder in encoders:
        for name in names:
            skip = parameters.clip_skip if name == "prompt" else 0  # as diffusers has it
            reader = _Reader(encoder, loaded.setup.execution_device, skip, pooled)
            padded = chunks[name] + [[]] * (length - len(chunks[name]))
            parts.setdefault(f"{name}_embeds", []).append(torch.cat([reader.read(chunk) for chunk in padded], dim=1))
            if pooled and isinstance(encoder.network, CLIPTextModelWithProjection):
                parts[name.replace("prompt", "pooled_prompt") + "_embeds"] = [reader.read_pooled(chunks[name][0])]
    return {name: torch.cat(each, dim=-1).cpu() for name, each in parts.items()}


def _needs_negative(pipeline: Any, pieces: Mapping[str, Sequence[Piece]], parameters: GenerationParameters) -> bool:
    """Whether the pipeline is guided, and makes none that fit by itself, as SDXL does for an empty one."""
    if parameters.guidance_scale <= 1 or pipeline.unet.config.time_cond_proj_dim is not None:
        return False
    return "negative_prompt" in pieces or not pipeline.config.get("force_zeros_for_empty_prompt", False)


def _count(encoders: Sequence[TextEncoder], text: str) -> int:
    return max(encoder.count(text) for encoder in encoders)


class _Reader:
    """A text encoder as compel calls it; what it answers with is the layer that the pipeline takes."""

    def __init__(self, encoder: TextEncoder, device: str, skip: int, pooled: bool) -> None:
        self._network = encoder.network
        self._layer = -(skip + (2 if pooled else 1))
        self._normalizes = not pooled
        self.device = torch.device(device)
        self.dtype = encoder.network.dtype
        self._compel = EmbeddingsProvider(encoder.tokenizer, self, device=device, model_max_length=encoder.limit)

    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor | None, **_: bool) -> SimpleNamespace:
        output = self._network(tokens.to(self.device), attention_mask=mask, output_hidden_states=True)
        hidden = output.hidden_states[self._layer]
        if self._normalizes:
            # In transformers 5 the network of SD 1 and 2 is the text model itself, which diffusers does not know yet.
            hidden = getattr(self._network, "text_model", self._network).final_layer_norm(hidden)
        return SimpleNamespace(last_hidden_state=hidden, text_embeds=output[0])

    def read(self, chunk: Chunk) -> torch.Tensor:
        """1 x tokens x width."""
        texts, weights = zip(*chunk or [Piece("", 1.0)], strict=True)
        embeddings: torch.Tensor = self._compel.get_embeddings_for_weighted_prompt_fragments(
            [list(texts)], [list(weights)], device=self.device
        )
        return embeddings

    def read_pooled(self, chunk: Chunk) -> torch.Tensor:
        """1 x width, of the words without their weights."""
        pooled: torch.Tensor = self._compel.get_pooled_embeddings(["".join(piece.text for piece in chunk)])
        return pooled
