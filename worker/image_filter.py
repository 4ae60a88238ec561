"""The image filter: what judges a picture before anybody sees it, and what becomes of a job some of whose are withheld.

A withheld picture is neither encoded nor stored, and nothing says how it was judged. Knows no judge; knows nothing of
torch.
"""

from collections.abc import Sequence
from typing import Protocol

from PIL.Image import Image

from contract.errors import ImageFiltered
from contract.job import JobWarning


class ImageFilter(Protocol):
    """One judge of pictures. It sees each by itself, so that a picture's neighbours change nothing."""

    def withholds(self, image: Image) -> bool:
        """Whether an RGB picture must not be shown. Raises RuntimeError or ValueError where that cannot be told."""


def warnings_of_withheld(images: Sequence[Image | None]) -> list[JobWarning]:
    """One for each picture in whose place there is None. Raises ImageFiltered where there is no other."""
    withheld = [index for index, image in enumerate(images) if image is None]
    if len(withheld) == len(images):
        raise ImageFiltered("The image filter withheld every picture.")
    return [
        JobWarning(code=ImageFiltered.code, detail=f"Image {index} was withheld by the image filter.")
        for index in withheld
    ]
