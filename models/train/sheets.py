"""Pictures beside each other, with words above and beside them.

Knows pixels and labels; knows nothing of models.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, MARGIN, TEXT = 4, 64, 13
"""Pixels between pictures, left of a row with a label, and of a letter's height."""


def save_sheet(
    path: Path,
    rows: Sequence[np.ndarray],
    *,
    above: Sequence[Sequence[str]] = (),
    beside: Sequence[str] = (),
) -> None:
    """Rows of equally large (N, H, W, 3) uint8 pictures; `above` names each picture of a row, `beside` each row."""
    count, height, width = max(len(row) for row in rows), *rows[0].shape[1:3]
    left = MARGIN if beside else 0
    line = height + GAP + (TEXT + GAP if above else 0)
    sheet = Image.new("RGB", (left + count * (width + GAP) - GAP, line * len(rows) - GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for index, row in enumerate(rows):
        top = index * line
        names = above[index] if index < len(above) else ()
        for column, name in enumerate(names):
            draw.text((left + column * (width + GAP) + 2, top), name, "black", font)
        top += TEXT + GAP if above else 0
        if beside:
            draw.text((2, top + height // 2 - TEXT // 2), beside[index], "black", font)
        for column, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (left + column * (width + GAP), top))
    sheet.save(path, quality=88)
