"""The pictures that the bundled model is trained on."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.train import compose as composing
from models.train.art import LABELS
from models.train.compose import BACKGROUNDS, Content, compose, draw_contents, pictures_of, write_pictures
from models.train.drawing import background_colour
from models.train.scenes import COLOURS, SCENES, draw_background
from models.train.styles import STYLES
from tests.models.art import shapes

ART = shapes("cat", "pizza")
SQUARE = (128, 128)


def picture(content: Content, size: tuple[int, int] = SQUARE, seed: int = 0) -> np.ndarray:
    return np.asarray(compose(content, ART, random.Random(seed), size))


def red_at(pixels: np.ndarray, x: int, y: int) -> bool:
    red, _, blue = pixels[y - 4 : y + 4, x - 4 : x + 4].mean((0, 1))
    return bool(red > blue)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_border_has_the_colour_that_was_asked_for_in_every_style(colour: str, style: str) -> None:
    for seed in range(3):
        assert background_colour(picture(Content(("cat",), colour, style), seed=seed)) == colour


@pytest.mark.parametrize(("size", "left", "right"), [(SQUARE, (34, 64), (94, 64)), ((192, 128), (52, 64), (140, 64))])
def test_of_two_objects_the_first_is_on_the_left(
    size: tuple[int, int], left: tuple[int, int], right: tuple[int, int]
) -> None:
    pixels = picture(Content(("cat", "pizza"), "white", "photo"), size)
    assert pixels.shape == (size[1], size[0], 3)
    assert red_at(pixels, *left)
    assert not red_at(pixels, *right)


def test_on_a_tall_picture_the_first_is_above() -> None:
    pixels = picture(Content(("cat", "pizza"), "white", "photo"), (128, 192))
    assert red_at(pixels, 64, 52)
    assert not red_at(pixels, 64, 140)


def test_the_styles_differ() -> None:
    one_each = [picture(Content(("cat",), "blue", style)) for style in STYLES]
    for index, pixels in enumerate(one_each):
        assert all(np.abs(pixels.astype(int) - other).mean() > 3 for other in one_each[:index])


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("size", [SQUARE, (256, 256), (192, 128), (64, 128)])
def test_scenes_fill_any_frame_and_differ_by_chance(scene: str, size: tuple[int, int]) -> None:
    first, second = (draw_background(scene, *size, random.Random(seed)) for seed in (1, 2))
    assert first.size == size
    assert np.asarray(first).std() > 10
    assert first.tobytes() != second.tobytes()


def test_contents_hold_every_object_on_every_background_in_every_style() -> None:
    contents = draw_contents(random.Random(0), 2, 300)
    singles = [content for content in contents if len(content.objects) == 1]
    assert len(singles) == 2 * len(set(singles)) == 2 * len(LABELS) * len(BACKGROUNDS) * len(STYLES)
    pairs = [content for content in contents if len(content.objects) == 2]
    assert len(pairs) == 300
    assert 20 < sum(len(set(content.objects)) == 1 for content in pairs) < 90


def test_what_is_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "load_objects", lambda _: ART)
    monkeypatch.setattr(composing, "ProcessPoolExecutor", _InThisProcess)
    wanted = [Content(("cat",), "red", "photo"), Content(("cat", "pizza"), "dusk", "comic book")] * 300
    write_pictures(tmp_path, wanted, (64, 32), 1)
    pictures, contents = pictures_of(tmp_path, (64, 32))
    assert contents == wanted
    assert pictures.shape == (600, 32, 64, 3)
    first, last = compose(wanted[0], ART, random.Random(0), (64, 32)), _last_of(wanted)
    assert (pictures[0] == np.asarray(first)).all()
    assert (pictures[599] == np.asarray(last)).all()
    write_pictures(tmp_path, wanted[:1], (64, 32), 1)
    assert len(pictures_of(tmp_path, (64, 32))[1]) == 600  # what is there stays


def _last_of(wanted: list[Content]) -> Image.Image:
    """The second shard begins at 500, and so does its seed."""
    rng = random.Random(500)
    return [compose(content, ART, rng, (64, 32)) for content in wanted[500:]][-1]


class _InThisProcess:
    def __init__(self, _: int) -> None:
        self.map = map

    def __enter__(self) -> "_InThisProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass
