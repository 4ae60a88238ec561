"""One way in which a stored picture is shown: its format, its width, and the tag that names its bytes.

Knows no bytes: all of it is told from the picture's record.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from contract.image_file import CONTENT_TYPES, ENCODER
from contract.job import StoredImage
from contract.parameters import OutputFormat

ThumbnailWidth = Literal[64, 128, 256, 512, 1024]
"""Pixels. A fixed set: each one is computed once, whoever asks."""


@dataclass(frozen=True)
class Representation:
    """`width` is None for the picture's own, and always less than that otherwise."""

    image: StoredImage
    output_format: OutputFormat
    width: ThumbnailWidth | None

    @property
    def is_stored(self) -> bool:
        """Whether its bytes are the stored ones."""
        return self.width is None and self.output_format == stored_format(self.image)

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.output_format]

    @property
    def etag(self) -> str:
        """Strong: the sha256 of the stored bytes, or of all that a variant's bytes follow from."""
        if self.is_stored:
            return f'"{self.image.sha256}"'
        source = f"{self.image.sha256} {self.output_format} {self.width} {ENCODER}"
        return f'"{hashlib.sha256(source.encode()).hexdigest()}"'


def represent(image: StoredImage, output_format: OutputFormat, width: ThumbnailWidth | None) -> Representation:
    """The picture in that format, that many pixels wide; never scaled up."""
    return Representation(image, output_format, width if width is not None and width < image.width else None)


def stored_format(image: StoredImage) -> OutputFormat:
    return next(each for each, content_type in CONTENT_TYPES.items() if content_type == image.content_type)
