"""What a pipeline is told of the prompts: embeddings, made ahead and kept, so that one call can draw several prompts.

An ordinary text is encoded by the pipeline itself. One that is longer than CLIP reads, weighs words or skips layers is
not: diffusers would cut the first off and knows nothing of the second. Weights are compel's. A pipeline whose
embeddings are not known here gets the texts. Knows text encoders; knows nothing of latents, or of memory.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
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
from worker.prompt_cache import EncodedText
from worker.prompt_chunks import Chunk, chunks_of
from worker.text_encoders import (
    TextEncoder,
    depends_on_clip_alone,
    embedding_names,
    is_pooled,
    takes_scale_as_input,
    text_encoders,
)

_MOST_CHARACTERS = 300
"""Of a warning's words."""
_NOTHING = Piece("", 1.0)


@dataclass(frozen=True)
class EncodedPrompt:
    """The prompts of one image, by the pipeline's names for them: either texts, or embeddings.

    Embeddings are batches of one on the CPU, and shared: not to be written to.
    """

    texts: Mapping[str, str]
    embeddings: Mapping[str, torch.Tensor] = field(default_factory=dict)
    warnings: list[JobWarning] = field(default_factory=list)

    @property
    def shape(self) -> Hashable:
        """Only prompts of equal shape may share a pipeline call.

        Filled up to another's length, one would draw another picture. How a pipeline fills up texts is not known, so
        that different ones have different shapes.
        """
        return (*self.texts.items(), *((name, tuple(each.shape)) for name, each in self.embeddings.items()))


def prompt_arguments(prompts: Sequence[EncodedPrompt]) -> dict[str, Any]:
    """For a pipeline call with one image for each of the prompts, at least one, all of equal shape."""
    texts = {name: [prompt.texts[name] for prompt in prompts] for name in prompts[0].texts}
    embeddings = {name: torch.cat([prompt.embeddings[name] for prompt in prompts]) for name in prompts[0].embeddings}
    # PixArt's own default is "", and it refuses to be given both.
    instead = {"negative_prompt": None} if "negative_prompt_embeds" in embeddings else {}
    return {**texts, **embeddings, **instead}


def encode_prompt(loaded: LoadedPipeline, parameters: GenerationParameters) -> EncodedPrompt:
    """Draws the same bytes as the texts would, where the pipeline can do by itself what was asked for.

    A text that the cache holds costs no text encoder.
    """
    if not embedding_names(loaded.pipeline):
        return _left_to_the_pipeline(loaded, parameters)
    read = _CachedReader(loaded)
    try:
        return _encoded(loaded.pipeline, parameters, read)
    finally:
        if read.has_encoded:
            loaded.pipeline.maybe_free_model_hooks()


def _left_to_the_pipeline(loaded: LoadedPipeline, parameters: GenerationParameters) -> EncodedPrompt:
    texts = {"prompt": parameters.prompt}
    # Not an empty one: some pipelines have embeddings of their own for none at all, and some are not guided without.
    if loaded.model.guidance is GuidanceKind.CLASSIFIER_FREE and parameters.negative_prompt:
        texts["negative_prompt"] = parameters.negative_prompt
    encoders = text_encoders(loaded.pipeline)
    return EncodedPrompt(texts, warnings=_truncations({name: _unread(text, encoders) for name, text in texts.items()}))


class _CachedReader:
    """Texts, one by one, through the cache of their pipeline."""

    def __init__(self, loaded: LoadedPipeline) -> None:
        self._loaded = loaded
        self.has_encoded = False

    def __call__(self, pieces: Sequence[Piece], skip: int) -> EncodedText:
        # A digest: the cache holds no prompts, and its bound holds however long they are.
        key = sha256(repr((tuple(pieces), skip)).encode()).digest()
        text = self._loaded.prompts.get(key)
        if text is None:
            self.has_encoded = True
            text = _encode(self._loaded, pieces, skip)
            self._loaded.prompts.put(key, text)
        return text


def _encoded(pipeline: Any, parameters: GenerationParameters, read: _CachedReader) -> EncodedPrompt:
    """The prompt and, where the pipeline is guided, the negative prompt, as long as each other."""
    skip = parameters.clip_skip
    prompt = read(pieces_of(parameters.prompt, weighs=parameters.prompt_weighting), skip)
    if not _is_guided(pipeline, parameters.guidance_scale):
        return EncodedPrompt({}, prompt.embeddings, _truncations({"prompt": prompt.unread}))
    if not parameters.negative_prompt and pipeline.config.get("force_zeros_for_empty_prompt", False):
        # SDXL's own for none at all; told of none, it would make them for every image of the call.
        negative = EncodedText({name: torch.zeros_like(each) for name, each in prompt.embeddings.items()})
    else:
        # As diffusers has it, no layer of these is skipped.
        negative = read(pieces_of(parameters.negative_prompt, weighs=parameters.prompt_weighting), 0)
    length = max(prompt.tokens, negative.tokens)
    embeddings = _filled_up(prompt, length, partial(read, [_NOTHING], skip))
    negatives = _filled_up(negative, length, partial(read, [_NOTHING], 0))
    return EncodedPrompt(
        {},
        {**embeddings, **{f"negative_{name}": each for name, each in negatives.items()}},
        _truncations({"prompt": prompt.unread, "negative_prompt": negative.unread}),
    )


def _is_guided(pipeline: Any, guidance_scale: float) -> bool:
    """As the pipeline itself decides."""
    is_scale_an_input = takes_scale_as_input(pipeline)
    return "negative_prompt_embeds" in embedding_names(pipeline) and guidance_scale > 1 and not is_scale_an_input


def _filled_up(text: EncodedText, length: int, read_nothing: Callable[[], EncodedText]) -> Mapping[str, torch.Tensor]:
    """To so many tokens, with encodings of nothing: one for each chunk that is missing."""
    if text.tokens == length:
        return text.embeddings
    nothing = read_nothing()
    chunks = (length - text.tokens) // nothing.tokens
    filled = torch.cat([text.embeddings["prompt_embeds"], *[nothing.embeddings["prompt_embeds"]] * chunks], dim=1)
    return {**text.embeddings, "prompt_embeds": filled}


def _truncations(unread: Mapping[str, str]) -> list[JobWarning]:
    return [
        JobWarning(code="prompt_truncated", detail=f"The model does not read the end of `{name}`: {words}")
        for name, words in unread.items()
        if words
    ]


def _unread(text: str, encoders: Sequence[TextEncoder]) -> str:
    """The end of a text that no encoder reads, shortened."""
    # What one encoder does not read, another may: Flux's CLIP sees the beginning, its T5 the whole.
    words = min((encoder.unread(text) for encoder in encoders), key=len, default="")
    return words if len(words) <= _MOST_CHARACTERS else f"{words[:_MOST_CHARACTERS]}…"


@torch.no_grad()
def _encode(loaded: LoadedPipeline, pieces: Sequence[Piece], skip: int) -> EncodedText:
    encoders = text_encoders(loaded.pipeline)
    text = "".join(piece.text for piece in pieces)
    if depends_on_clip_alone(loaded.pipeline):
        is_long = any(encoder.count(text) > encoder.room for encoder in encoders)
        if is_long or skip or any(piece.weight != 1 for piece in pieces):
            return EncodedText(_read_in_chunks(loaded, encoders, pieces, skip))
    return EncodedText(_read_by_the_pipeline(loaded, text), _unread(text, encoders))


def _read_by_the_pipeline(loaded: LoadedPipeline, text: str) -> dict[str, torch.Tensor]:
    pipeline, names = loaded.pipeline, embedding_names(loaded.pipeline)
    options: dict[str, Any] = {"prompt": text, "device": loaded.setup.execution_device, "num_images_per_prompt": 1}
    if "negative_prompt_embeds" in names:
        options["do_classifier_free_guidance"] = False  # a negative prompt is a text of its own here
    returned = zip(names, pipeline.encode_prompt(**options), strict=False)  # Flux's adds what it can make again
    return {name: each.cpu() for name, each in returned if not name.startswith("negative_")}


def _read_in_chunks(
    loaded: LoadedPipeline, encoders: Sequence[TextEncoder], pieces: Sequence[Piece], skip: int
) -> dict[str, torch.Tensor]:
    pooled = is_pooled(loaded.pipeline)
    chunks = chunks_of(pieces, partial(_count, encoders), min(encoder.room for encoder in encoders))
    parts: list[torch.Tensor] = []
    embeddings: dict[str, torch.Tensor] = {}
    for encoder in encoders:
        reader = _Reader(encoder, loaded.setup.execution_device, skip, pooled)
        parts.append(torch.cat([reader.read(chunk) for chunk in chunks], dim=1))
        if pooled and isinstance(encoder.network, CLIPTextModelWithProjection):
            embeddings["pooled_prompt_embeds"] = reader.read_pooled(chunks[0]).cpu()
    return {"prompt_embeds": torch.cat(parts, dim=-1).cpu(), **embeddings}


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
        texts, weights = zip(*chunk or [_NOTHING], strict=True)
        embeddings: torch.Tensor = self._compel.get_embeddings_for_weighted_prompt_fragments(
            [list(texts)], [list(weights)], device=self.device
        )
        return embeddings

    def read_pooled(self, chunk: Chunk) -> torch.Tensor:
        """1 x width, of the words without their weights."""
        pooled: torch.Tensor = self._compel.get_pooled_embeddings(["".join(piece.text for piece in chunk)])
        return pooled
