"""The embeddings of the texts that were encoded last, within a bound of bytes.

One belongs to one loaded pipeline and goes with it: loaded in another precision or layout, it begins with none. Of the
texts themselves it keeps no more than what the model did not read. Knows nothing of how embeddings are made.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch

PROMPT_CACHE_BYTES = 64 * 1024**2
"""Of the CPU's memory, for each loaded model: in half precision 15 texts of Flux, 211 of SDXL, 567 of Stable
Diffusion 1. Small beside the growth for which a worker has itself replaced (`recycle_drift_bytes`)."""


@dataclass(frozen=True)
class EncodedText:
    """One text, by itself; `embeddings` are batches of one on the CPU, by the pipeline's names for a prompt's."""

    embeddings: Mapping[str, torch.Tensor]
    unread: str = ""
    """The end that the model does not read."""

    @property
    def tokens(self) -> int:
        return self.embeddings["prompt_embeds"].shape[1]

    @property
    def size_bytes(self) -> int:
        return sum(each.nbytes for each in self.embeddings.values())


class PromptCache:
    """The text used longest ago goes first."""

    def __init__(self, limit_bytes: int = PROMPT_CACHE_BYTES) -> None:
        self.size_bytes = 0
        self._limit_bytes = limit_bytes
        self._texts: OrderedDict[bytes, EncodedText] = OrderedDict()

    def get(self, key: bytes) -> EncodedText | None:
        found = self._texts.get(key)
        if found:
            self._texts.move_to_end(key)
        return found

    def put(self, key: bytes, text: EncodedText) -> None:
        """Under a key that is not there; one that is larger than the bound is not kept."""
        if text.size_bytes > self._limit_bytes:
            return
        self._texts[key] = text
        self.size_bytes += text.size_bytes
        while self.size_bytes > self._limit_bytes:
            _, oldest = self._texts.popitem(last=False)
            self.size_bytes -= oldest.size_bytes
