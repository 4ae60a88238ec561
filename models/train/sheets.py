"""Pictures beside each other, with words above them.

Knows pixels and labels; knows nothing of models.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, TEXT = 4, 13
"""Pixels between pictures, and of a letter's height."""


def save_sheet(path: Path, rows: Sequence[np.ndarray], names: Sequence[Sequence[str]] = ()) -> None:
    """Rows of equally large (N, H, W, 3) uint8 pictures, and what is written above each picture of a row."""
    count, height, width = max(len(row) for row in rows), *rows[0].shape[1:3]
    head = TEXT + GAP if names else 0
    sheet = Image.new("RGB", (count * (width + GAP) - GAP, (head + height + GAP) * len(rows) - GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for index, row in enumerate(rows):
        top = index * (head + height + GAP)
        for column, picture in enumerate(row):
            left = column * (width + GAP)
            if names:
                draw.text((left + 2, top), names[index][column], "black", font)
            sheet.paste(Image.fromarray(picture), (left, top + head))
    sheet.save(path, quality=88)
