"""Text on a contact sheet: what its font can show of it, and how it fits into a width.

Pillow's own font is the only one that is there wherever this runs. It has ASCII and a few signs more.
Knows text and fonts; knows nothing of grids.
"""

import unicodedata
from functools import cache, lru_cache
from typing import Any

from PIL import ImageFont

MISSING = "\ufffd"
"""What stands for a character that the font has not; it is shown as a box."""
_LONGEST = 400


class Lettering:
    """One size of the font, in pixels."""

    def __init__(self, size: int) -> None:
        self.font = ImageFont.load_default(size)
        self.line_height = round(size * 1.3)

    def width(self, text: str) -> float:
        """In pixels."""
        return self.font.getlength(text)

    def wrap(self, text: str, width: float, most_lines: int) -> list[str]:
        """Lines of that width at most, broken at spaces where there are any; … ends the last one if more follows."""
        rest = text
        lines: list[str] = []
        while rest:
            if len(lines) == most_lines - 1:
                lines.append(self._ellipsized(rest, width))
                break
            line = self._line(rest, width)
            lines.append(line.rstrip())
            rest = rest[len(line) :].lstrip()
        return lines

    def _line(self, text: str, width: float) -> str:
        """As much of the beginning as fits, at least one character."""
        end = self._fitting(text, width)
        if end == len(text):
            return text
        space = text.rfind(" ", 0, end + 1)
        return text[: space if space > 0 else max(end, 1)]

    def _fitting(self, text: str, width: float) -> int:
        """How many characters of the beginning fit."""
        few, many = 0, len(text)
        while few < many:
            middle = (few + many + 1) // 2
            few, many = (middle, many) if self.width(text[:middle]) <= width else (few, middle - 1)
        return few

    def _ellipsized(self, text: str, width: float) -> str:
        if self.width(text) <= width:
            return text
        return text[: self._fitting(text, width - self.width("…"))].rstrip() + "…"


def shown(value: Any, number: int) -> str:
    """A value as the font can show it: accents are left out, and other characters that it has not are boxes.

    Where there are some, its number on the axis stands before it, so that values can be told apart all the same.
    """
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    plain = unicodedata.normalize("NFKD", " ".join(text.split()))
    text = "".join(_glyph(each) for each in plain if not unicodedata.combining(each))
    return f"#{number} {text}" if MISSING in text else text


@lru_cache(maxsize=4096)
def _glyph(character: str) -> str:
    return MISSING if _drawn(character) == _missing() else character


def _drawn(character: str) -> bytes:
    return bytes(_sample_font().getmask(character))


@cache
def _missing() -> bytes:
    return _drawn("\U0010ffff")  # which is no character


@cache
def _sample_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(20)
