"""A batch, as those see it who draw it: jobs that share pipeline calls, each told what becomes of it.

Knows nothing of torch, of Redis or of files.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from PIL.Image import Image

from contract.errors import JobFailed
from contract.job import JobWarning
from contract.parameters import GenerationParameters
from contract.rung import Rung
from worker.execution import Interrupted
from worker.previews import Peek


@dataclass(frozen=True)
class Drawn:
    """The images of one job, in the order of their index, None for one that is withheld; and where the time went.

    What a batch did together counts in full for each of its jobs.
    """

    images: list[Image | None]
    load_seconds: float
    denoise_seconds: float
    decode_seconds: float
    rung: Rung
    """On which it was drawn; the lowest where there were several."""
    warnings: list[JobWarning] = field(default_factory=list)
    filter_seconds: float | None = None
    """None where nothing judges the pictures."""
    batch_size: int = 1
    """Images of the pipeline call that drew it; of the largest where there were several."""


@dataclass(frozen=True)
class Call:
    """One pipeline call that came to its end."""

    images: int
    seconds: float


OnStep = Callable[[int, int, Peek], None]
"""Called with the steps done, the steps in all, and a way to see the picture; what it raises ends the run."""


class Member(Protocol):
    """A job of a batch. Of `drawn` and `left` one is called, once, unless the device is lost."""

    @property
    def parameters(self) -> GenerationParameters:
        """What is drawn."""

    @property
    def exclusive(self) -> bool:
        """Whether each of its images is drawn by a pipeline call of its own."""

    def step_done(self, step: int, total: int, peek: Peek) -> None:
        """An OnStep; what it raises, a JobFailed or an Interrupted, takes this job out of the batch, and no other."""

    def drawn(self, drawn: Drawn) -> None:
        """Its pictures are there, maybe before those of the others."""

    def left(self, reason: JobFailed | Interrupted) -> None:
        """It has failed, or has gone for a reason of its own: at once, while the others may go on."""


@dataclass(frozen=True)
class BatchLimits:
    """The most images of one batch: of the batch keys that are known, and of any other."""

    images: int = 1
    by_key: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> str:
        """As scripts/claim.lua takes it."""
        return json.dumps({"images": self.images, "by_key": dict(self.by_key)})
