"""The layout of contact sheets, and the text on them."""

from typing import Any

import pytest
from PIL import Image

from contract.grid import Axis, GridShape
from service.grids.contact_sheet import MAX_SHEET_SIDE, ContactSheet
from service.grids.sheet_labels import MISSING, Lettering, shown


def axis(parameter: str, values: list[Any]) -> Axis:
    return Axis.model_validate({"parameter": parameter, "values": values})


def shape(columns: int, rows: int | None, size: tuple[int, int] = (128, 128)) -> GridShape:
    return GridShape(
        x=axis("num_inference_steps", list(range(1, columns + 1))),
        y=axis("guidance_scale", [row / 2 for row in range(rows)]) if rows else None,
        cell_width=size[0],
        cell_height=size[1],
    )


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (1024, 1024), (4096, 64), (64, 4096), (4096, 4096)])
@pytest.mark.parametrize(("columns", "rows"), [(1, None), (5, 4), (100, None), (1, 100), (10, 10), (50, 2), (2, 50)])
def test_a_sheet_stays_below_its_bound_and_has_room_for_every_picture(
    columns: int, rows: int | None, size: tuple[int, int]
) -> None:
    sheet = ContactSheet(shape(columns, rows, size))
    assert max(sheet.size.width, sheet.size.height) <= MAX_SHEET_SIDE
    assert 0 < sheet.scale <= 1
    drawn = sheet.draw([("failed", "out_of_memory")] * (columns * (rows or 1)))
    assert drawn.size == (sheet.size.width, sheet.size.height)
    assert sheet.size.width > columns * int(size[0] * sheet.scale)
    assert sheet.size.height > (rows or 1) * int(size[1] * sheet.scale)


def test_pictures_are_shown_at_their_size_where_there_is_room() -> None:
    assert ContactSheet(shape(5, 4, (128, 128))).scale == 1
    assert ContactSheet(shape(4, 4, (880, 880))).scale == 1
    assert ContactSheet(shape(5, 4, (1024, 1024))).scale < 1


@pytest.mark.parametrize(("columns", "rows", "size"), [(5, 4, 128), (3, None, 512), (100, None, 64), (1, 100, 64)])
def test_nothing_is_drawn_over_anything_else(columns: int, rows: int | None, size: int) -> None:
    sheet = ContactSheet(shape(columns, rows, (size, size)))
    side = int(size * sheet.scale)
    tile = Image.new("RGB", (side, side), (255, 0, 0))
    drawn = sheet.draw([tile] * (columns * (rows or 1)))
    count = sum(number for number, colour in drawn.getcolors(1 << 24) or [] if colour == (255, 0, 0))
    assert count == side * side * columns * (rows or 1)


def ink(picture: Image.Image) -> bool:
    """Whether anything is written there."""
    return picture.convert("L").getextrema()[0] < 128  # type: ignore[operator]


@pytest.mark.parametrize(("columns", "rows"), [(4, None), (4, 3), (60, None)])
def test_every_column_and_every_row_has_a_header_beside_its_pictures(columns: int, rows: int | None) -> None:
    sheet = ContactSheet(shape(columns, rows))
    side = int(128 * sheet.scale)
    drawn = sheet.draw([Image.new("RGB", (side, side), (255, 0, 0))] * (columns * (rows or 1)))
    red = drawn.getchannel("G").point(lambda value: 255 if value == 0 else 0)
    left, top, *_ = red.getbbox() or (0, 0, 0, 0)
    step = (drawn.width - left) // columns
    assert all(
        ink(drawn.crop((left + step * column, 0, left + step * column + side, top))) for column in range(columns)
    )
    for row in range(rows or 0):
        height = (drawn.height - top) // (rows or 1)
        assert ink(drawn.crop((0, top + height * row, left, top + height * row + side)))
    assert (left > side) == (rows is not None)


def test_lines_are_as_wide_as_they_may_be_and_lose_no_word() -> None:
    letters = Lettering(20)
    text = "a photo of a fox on a blue background, in the style of an old master"
    lines = letters.wrap(text, 150, 10)
    assert " ".join(lines) == text
    assert all(letters.width(line) <= 150 for line in lines)
    assert len(lines) < 6


def test_what_has_no_room_ends_in_an_ellipsis() -> None:
    letters = Lettering(20)
    lines = letters.wrap("word " * 100, 150, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert letters.width(lines[-1]) <= 150


def test_a_word_without_an_end_is_broken() -> None:
    letters = Lettering(20)
    lines = letters.wrap("x" * 60, 150, 10)
    assert "".join(lines) == "x" * 60
    assert len(lines) > 3


@pytest.mark.parametrize("width", [0, 1, 5])
def test_the_narrowest_column_has_a_letter_a_line(width: int) -> None:
    assert Lettering(20).wrap("abc", width, 2) == ["a", "…"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.5, "7.5"),
        (1, "1"),
        (True, "true"),
        (False, "false"),
        (None, "not set"),
        ("a\tfox \n\n", "a fox"),
        ("été", "ete"),
        ("狐 fox", f"#3 {MISSING} fox"),
        ("", ""),
    ],
)
def test_a_value_is_shown_as_far_as_the_font_has_its_letters(value: Any, text: str) -> None:
    assert shown(value, 3) == text


def test_a_very_long_value_is_cut_before_it_is_measured() -> None:
    assert shown("x" * 4000, 1) == "x" * 400 + "..."
