"""Styles: a picture in layers to a picture as a painter, a draughtsman or a camera would have it.

Knows pixels; knows neither words nor what is in the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps


@dataclass(frozen=True)
class Layers:
    """What a style works on."""

    ground: Image.Image
    things: Image.Image
    """RGBA, as large as the ground."""
    colour: tuple[int, int, int] | None
    """The ground's, where it is flat."""
    texture: int
    """Which washes and strokes: a style's own randomness."""

    def flatten(self) -> Image.Image:
        image = self.ground.copy()
        image.paste(self.things, (0, 0), self.things)
        return image


def photo(layers: Layers) -> Image.Image:
    """As it is, with a soft shadow below."""
    side = min(layers.ground.size)
    alpha = layers.things.getchannel("A")
    fallen = ImageChops.offset(alpha, 0, side // 24).filter(ImageFilter.GaussianBlur(side / 26))
    shadow = Image.composite(ImageEnhance.Brightness(layers.ground).enhance(0.55), layers.ground, fallen)
    return replace(layers, ground=shadow).flatten()


def watercolor(layers: Layers) -> Image.Image:
    """Pale, uneven washes that bleed at their edges and dry darker there."""
    soft = layers.flatten().filter(ImageFilter.MedianFilter(5))
    soft = _displaced(soft, _noise(soft.size, 12, layers.texture), 2.0)
    pale = np.asarray(
        Image.blend(ImageEnhance.Color(soft).enhance(0.8), Image.new("RGB", soft.size, "white"), 0.16), np.float32
    )
    washes = _noise(soft.size, 28, layers.texture + 1)[..., :1] * 9
    rim = np.asarray(layers.things.getchannel("A").filter(ImageFilter.GaussianBlur(2)), np.float32)[..., None] / 255
    return _image(pale + washes - 90 * rim * (1 - rim))


def oil_painting(layers: Layers) -> Image.Image:
    """Thick strokes in strong colours."""
    strong = ImageEnhance.Color(layers.flatten().filter(ImageFilter.MedianFilter(5))).enhance(1.2)
    strokes = _strokes(strong.size, layers.texture)
    moved = _displaced(strong, strokes, 2.0)
    return _image(np.asarray(moved, np.float32) * (1 + 0.08 * strokes[..., :1]) + 6 * strokes[..., :1])


def pixel_art(layers: Layers) -> Image.Image:
    """Squares of four pixels in sixteen colours."""
    image = layers.flatten()
    small = image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX)
    return small.quantize(16).convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def pencil_sketch(layers: Layers) -> Image.Image:
    """Graphite on paper of the ground's colour, chalk where that is black; a scene is drawn lightly on white."""
    white = Image.new("RGB", layers.ground.size, "white")
    page = replace(layers, ground=white if layers.colour else Image.blend(layers.ground, white, 0.6))
    grey = ImageOps.autocontrast(ImageOps.grayscale(page.flatten()))
    blurred = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(4))
    dodged = np.asarray(grey, np.float32) * 255 / (256 - np.asarray(blurred, np.float32))
    lines = Image.fromarray(np.clip(dodged, 0, 255).astype(np.uint8))
    ink = np.asarray(ImageOps.autocontrast(ImageChops.multiply(lines, lines), cutoff=1), np.float32)[..., None] / 255
    paper = layers.colour or (248, 248, 248)
    graphite = (235, 235, 235) if sum(paper) < 150 else (50, 50, 54)
    return _image(np.array(paper, np.float32) * ink + np.array(graphite, np.float32) * (1 - ink))


def comic_book(layers: Layers) -> Image.Image:
    """Few flat colours, thick outlines and a screen of dots."""
    size = layers.ground.size
    alpha = layers.things.getchannel("A")
    flat = ImageOps.posterize(
        ImageEnhance.Color(layers.things.convert("RGB").filter(ImageFilter.MedianFilter(5))).enhance(1.3), 2
    )
    flat = ImageEnhance.Brightness(flat).enhance(1.3)
    ground = np.asarray(layers.ground, np.float32) * np.where(_dots(size), 0.86, 1.0)[..., None]
    image = _image(ground)
    outline = alpha.filter(ImageFilter.MaxFilter(5)).point(lambda value: 255 * (value > 100))
    image.paste((12, 12, 16), (0, 0), outline)
    image.paste(flat, (0, 0), alpha.filter(ImageFilter.MinFilter(3)))
    return image


STYLES: dict[str, Callable[[Layers], Image.Image]] = {
    "photo": photo,
    "watercolor": watercolor,
    "oil painting": oil_painting,
    "pixel art": pixel_art,
    "pencil sketch": pencil_sketch,
    "comic book": comic_book,
}


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


@cache
def _noise(size: tuple[int, int], grain: int, seed: int) -> np.ndarray:
    """(H, W, 2) smooth noise with a spread of 1, its grain in pixels."""
    width, height = size
    rough = np.random.default_rng(seed).standard_normal((2, height // grain + 3, width // grain + 3)).astype(np.float32)
    smooth = [np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BICUBIC)) for part in rough]
    return np.stack([part / part.std() for part in smooth], -1)


@cache
def _strokes(size: tuple[int, int], seed: int) -> np.ndarray:
    """(H, W, 2) slanted strokes, their spread 1."""
    width, height = size
    turned = []
    for part in range(2):
        wide = (2 * width, 2 * height)
        rough = np.random.default_rng((seed, part)).standard_normal((wide[1] // 4, wide[0] // 14)).astype(np.float32)
        image = Image.fromarray(rough).resize(wide, Image.Resampling.BICUBIC).rotate(35, Image.Resampling.BILINEAR)
        left, top = width // 2, height // 2
        turned.append(np.asarray(image.crop((left, top, left + width, top + height))))
    return np.stack([part / part.std() for part in turned], -1)


@cache
def _dots(size: tuple[int, int]) -> np.ndarray:
    """(H, W) whether a dot of the screen is there: one in every square of eight pixels."""
    y, x = np.indices((size[1], size[0])) % 8 - 3.5
    dots: np.ndarray = x * x + y * y < 7
    return dots


def _displaced(image: Image.Image, by: np.ndarray, pixels: float) -> Image.Image:
    """Each pixel from where `by` (H, W, 2) points, that many pixels away at a spread of 1."""
    y, x = np.indices(by.shape[:2])
    rows = np.clip(y + by[..., 0] * pixels / 2, 0, image.height - 1).astype(int)
    columns = np.clip(x + by[..., 1] * pixels / 2, 0, image.width - 1).astype(int)
    return Image.fromarray(np.asarray(image)[rows, columns])
