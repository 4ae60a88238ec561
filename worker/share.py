"""Share: one job's part of a batch while that is drawn: what is done of it, and whether it is still in.

And which images of several shares one pipeline call may draw. Knows members; knows nothing of pipelines or memory.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import torch
from PIL.Image import Image

from contract.errors import JobFailed
from contract.parameters import GenerationParameters
from contract.rung import Rung
from worker.batch import Drawn, Member
from worker.execution import DeviceLost, Interrupted
from worker.phases import ImageToDraw
from worker.previews import Peek
from worker.prompt_encoding import EncodedPrompt


class Share:
    """It is in until its member has its pictures or has left."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.parameters: GenerationParameters = member.parameters
        self.prompt: EncodedPrompt | None = None
        self.latents: dict[int, torch.Tensor] = {}
        self.images: dict[int, Image] = {}
        self.seconds = {"decode": 0.0, "filter": 0.0}
        self.batch_size = 0
        """Images of the largest pipeline call that drew any of its own."""
        self.gave_no_picture = False
        self.is_in = True

    @property
    def undrawn(self) -> list[int]:
        """The indexes of the images that have no latents yet."""
        return [index for index in range(self.parameters.num_images_per_prompt) if index not in self.latents]

    @property
    def undecoded(self) -> list[int]:
        """The indexes of the images that are only latents yet."""
        return [index for index in self.latents if index not in self.images]

    def ask(self, step: int, total: int, peek: Peek) -> None:
        """Whether it stays. Raises DeviceLost."""
        try:
            self.member.step_done(step, total, peek)
        except DeviceLost:
            raise
        except (JobFailed, Interrupted) as reason:
            self.leave(reason)

    @property
    def has_all(self) -> bool:
        """Whether all its pictures are drawn and decoded."""
        return not self.undrawn and not self.undecoded

    def leave(self, reason: JobFailed | Interrupted) -> None:
        """At once; what is drawn of it is dropped."""
        self._end()
        self.member.left(reason)

    def finish(
        self, images: list[Image | None], load_seconds: float, denoise_seconds: float, rung: Rung, *, was_judged: bool
    ) -> None:
        """It has its pictures, whatever becomes of the others; loading and denoising were the batch's."""
        self._end()
        self.member.drawn(
            Drawn(
                images,
                load_seconds,
                denoise_seconds,
                self.seconds["decode"],
                rung,
                self.prompt.warnings if self.prompt else [],
                filter_seconds=self.seconds["filter"] if was_judged else None,
                batch_size=self.batch_size,
            )
        )

    def _end(self) -> None:
        self.is_in = False
        self.latents.clear()
        self.images.clear()


@dataclass(frozen=True)
class Row:
    """One image of a pipeline call."""

    share: Share
    index: int
    prompt: EncodedPrompt

    def to_draw(self) -> ImageToDraw:
        """Image i has the seed of its job, plus i."""
        parameters = self.share.parameters
        return ImageToDraw(parameters, self.prompt, parameters.seed + self.index)


def calls_of(shares: Iterable[Share], batch_size: int) -> list[list[Row]]:
    """The pipeline calls that draw what is undrawn, of at most that many images, in the order of the shares.

    Prompts of different shape never share one, nor do guidance scales where the pipeline gets texts: what it does with
    the scale is not known. Whatever else must be equal, the batch key sees to. Shares whose prompt was not encoded yet
    are left out.
    """
    alike: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for share in shares:
        if share.prompt is not None:
            scale = share.parameters.guidance_scale if share.prompt.texts else None
            alike[share.prompt.shape, scale] += [Row(share, index, share.prompt) for index in share.undrawn]
    return [rows[at : at + batch_size] for rows in alike.values() for at in range(0, len(rows), batch_size)]
