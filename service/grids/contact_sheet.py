"""A grid as one picture: every cell in its place, with the values of its row and its column.

Knows pixels; knows nothing of jobs or of where pictures are kept.
"""

from dataclasses import dataclass

from PIL import Image, ImageDraw

from contract.grid import Axis, GridShape
from service.grids.sheet_labels import Lettering, shown

MAX_SHEET_SIDE = 4096
"""Pixels."""
LAYOUT = 1
"""Grows when the same cells are drawn differently."""

_PAPER, _INK, _EMPTY, _FRAME = "#ffffff", "#1a1a1a", "#e6e6e6", "#b0b0b0"
_SMALLEST_TEXT, _LARGEST_TEXT = 14, 40
_HEADER_LINES = 6
_ROW_HEADER_TEXTS = 11
"""The width of a row's header, in heights of its text."""

Content = Image.Image | tuple[str, ...]
"""A cell's picture, scaled already, or what is said in its place, line by line."""


@dataclass(frozen=True)
class Size:
    width: int
    height: int


class ContactSheet:
    """The layout of one shape of grid. `scale` is what its pictures are made smaller by, at most 1."""

    def __init__(self, shape: GridShape) -> None:
        columns, rows = len(shape.x.values), len(shape.y.values) if shape.y else 1
        text = _text_size(min(shape.cell_width, MAX_SHEET_SIDE // columns), MAX_SHEET_SIDE // rows)
        self._letters = Lettering(text)
        self._gap = text // 2
        self._columns = columns
        self._row_labels = _labels(shape.y) if shape.y else []
        self._row_header = self._row_header_width(text)
        self._left = self._gap + (self._row_header + self._gap if self._row_header else 0)
        self.scale = self._scale(shape, rows)
        self._picture = Size(*(max(1, int(side * self.scale)) for side in (shape.cell_width, shape.cell_height)))
        labels, self._title, self._column = self._column_header(shape.x)
        self._row = max(self._picture.height, self._letters.line_height)
        self._headers = [self._letters.wrap(label, self._column, _HEADER_LINES) for label in labels]
        lines = max(len(header) for header in self._headers) + (1 if self._title else 0)
        self._top = 2 * self._gap + lines * self._letters.line_height
        self.size = Size(
            self._left + columns * (self._column + self._gap),
            self._top + rows * (self._row + self._gap),
        )

    def draw(self, contents: list[Content]) -> Image.Image:
        """The sheet of these cells, row by row."""
        sheet = Image.new("RGB", (self.size.width, self.size.height), _PAPER)
        pen = ImageDraw.Draw(sheet)
        self._draw_headers(pen)
        for index, content in enumerate(contents):
            row, column = divmod(index, self._columns)
            left, top = self._corner(column, row)
            if isinstance(content, tuple):
                self._draw_placeholder(pen, left, top, content)
            else:
                free = (self._column - content.width, self._row - content.height)
                sheet.paste(content, (left + free[0] // 2, top + free[1] // 2))
        return sheet

    def _corner(self, column: int, row: int) -> tuple[int, int]:
        return self._left + column * (self._column + self._gap), self._top + row * (self._row + self._gap)

    def _draw_headers(self, pen: ImageDraw.ImageDraw) -> None:
        height = self._letters.line_height
        if self._title:
            pen.text((self._left, self._gap), self._title, _INK, self._letters.font)
        for column, lines in enumerate(self._headers):
            left, _ = self._corner(column, 0)
            # Upwards from the pictures, so that short headers stand beside what they are of.
            top = self._top - self._gap - height * len(lines)
            self._draw_lines(pen, left + self._column / 2, top, lines)
        for row, label in enumerate(self._row_labels):
            lines = self._letters.wrap(label, self._row_header, max(1, self._row // height))
            _, top = self._corner(0, row)
            middle = top + (self._row - height * len(lines)) / 2
            self._draw_lines(pen, self._gap + self._row_header / 2, middle, lines)

    def _draw_placeholder(self, pen: ImageDraw.ImageDraw, left: int, top: int, words: tuple[str, ...]) -> None:
        left += (self._column - self._picture.width) // 2
        top += (self._row - self._picture.height) // 2
        right, bottom = left + self._picture.width - 1, top + self._picture.height - 1
        pen.rectangle((left, top, right, bottom), _EMPTY, _FRAME)
        height = self._letters.line_height
        most = max(1, self._picture.height // height)
        lines = [line for each in words for line in self._letters.wrap(each, self._picture.width - 4, most)][:most]
        middle = top + (self._picture.height - height * len(lines)) / 2
        self._draw_lines(pen, left + self._picture.width / 2, middle, lines)

    def _draw_lines(self, pen: ImageDraw.ImageDraw, middle: float, top: float, lines: list[str]) -> None:
        for number, line in enumerate(lines):
            pen.text((middle, top + number * self._letters.line_height), line, _INK, self._letters.font, anchor="ma")

    def _row_header_width(self, text: int) -> int:
        widest = max((self._letters.width(label) for label in self._row_labels), default=0)
        return round(min(widest, _ROW_HEADER_TEXTS * text) + 0.5) if widest else 0

    def _scale(self, shape: GridShape, rows: int) -> float:
        header = 3 * self._gap + (_HEADER_LINES + 1) * self._letters.line_height
        width = (MAX_SHEET_SIDE - self._left) // self._columns - self._gap
        height = (MAX_SHEET_SIDE - header) // rows - self._gap
        return min(1.0, width / shape.cell_width, height / shape.cell_height)

    def _column_header(self, axis: Axis) -> tuple[list[str], str, int]:
        """The labels, what stands above all of them, and the width of a column.

        Where the parameter's name has no room in so many columns, it stands above them once.
        """
        name = int(self._letters.width(axis.parameter)) + 1
        width = max(self._picture.width, name + self._gap)
        if self._left + self._columns * (width + self._gap) <= MAX_SHEET_SIDE:
            return _labels(axis), "", width
        return _values(axis), axis.parameter, self._picture.width


def _text_size(picture_width: int, row_height: int) -> int:
    """In pixels: an eleventh of a picture, which has room for the longest name of a parameter, or a third of a row."""
    return min(max(min(picture_width // 11, row_height // 3), _SMALLEST_TEXT), _LARGEST_TEXT)


def _labels(axis: Axis) -> list[str]:
    return [f"{axis.parameter} = {value}" for value in _values(axis)]


def _values(axis: Axis) -> list[str]:
    return [shown(value, number) for number, value in enumerate(axis.values, 1)]
