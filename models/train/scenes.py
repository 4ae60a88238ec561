"""Backgrounds: flat colours and scenes, drawn at any size.

Knows colours and shapes; knows nothing of objects, styles or words.
"""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (222, 52, 48),
    "orange": (245, 140, 40),
    "yellow": (250, 212, 60),
    "green": (62, 170, 82),
    "teal": (38, 168, 166),
    "blue": (58, 108, 228),
    "purple": (142, 82, 204),
    "pink": (250, 162, 202),
    "brown": (138, 86, 46),
    "gray": (132, 134, 138),
    "white": (248, 248, 248),
    "black": (22, 22, 26),
}


def flat(name: str, width: int, height: int) -> Image.Image:
    """A colour of `COLOURS`, a little lighter above than below."""
    return _gradient([_lit(COLOURS[name], 1.05), _lit(COLOURS[name], 0.92)], width, height)


def dusk(width: int, height: int, rng: random.Random) -> Image.Image:
    """A low sun over dark hills."""
    image = _gradient([(54, 42, 110), (170, 72, 128), (250, 140, 70), (255, 206, 110)], width, height)
    draw, horizon, side = ImageDraw.Draw(image), int(height * 0.78), min(width, height)
    x, radius = rng.uniform(0.2, 0.8) * width, side * 0.11
    draw.ellipse((x - radius, horizon - radius, x + radius, horizon + radius), fill=(255, 236, 170))
    _hills(draw, horizon, width, height, (58, 38, 74), rng)
    return image


def night_sky(width: int, height: int, rng: random.Random) -> Image.Image:
    """A moon and a few large stars."""
    image = _gradient([(10, 14, 46), (24, 32, 84), (46, 58, 126)], width, height)
    draw, side = ImageDraw.Draw(image), min(width, height)
    for _ in range(22):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), side * rng.uniform(0.008, 0.016)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(236, 238, 255))
    x, y, radius = rng.choice((0.13, 0.87)) * width, 0.14 * height, side * 0.085
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(250, 244, 206))
    return image


def meadow(width: int, height: int, rng: random.Random) -> Image.Image:
    """Green hills with flowers below a clear sky."""
    image = _gradient([(112, 186, 246), (176, 220, 250), (216, 238, 250)], width, height)
    draw, side = ImageDraw.Draw(image), min(width, height)
    _hills(draw, int(height * 0.6), width, height, (126, 196, 92), rng)
    _hills(draw, int(height * 0.72), width, height, (92, 172, 70), rng)
    for _ in range(16):
        x, y, radius = rng.uniform(0, width), rng.uniform(0.78, 0.98) * height, side * 0.014
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=rng.choice(((255, 250, 240), (250, 214, 70)))
        )
    return image


def beach(width: int, height: int, rng: random.Random) -> Image.Image:
    """Sand, sea and sky."""
    image = _gradient([(124, 204, 248), (204, 236, 252)], width, height)
    draw, side = ImageDraw.Draw(image), min(width, height)
    x, radius = rng.choice((0.14, 0.86)) * width, side * 0.08
    draw.ellipse((x - radius, side * 0.14 - radius, x + radius, side * 0.14 + radius), fill=(255, 240, 150))
    draw.rectangle((0, height * 0.5, width, height), fill=(34, 142, 190))
    draw.rectangle((0, height * 0.6, width, height), fill=(52, 178, 196))
    _hills(draw, int(height * 0.72) - side // 40, width, height, (250, 250, 244), rng)
    _hills(draw, int(height * 0.74), width, height, (240, 214, 158), rng)
    return image


def neon_street(width: int, height: int, rng: random.Random) -> Image.Image:
    """Dark houses with lit windows and signs beside a street that mirrors them."""
    image = _gradient([(22, 12, 52), (66, 24, 96)], width, height)
    draw, horizon, unit = ImageDraw.Draw(image), int(height * 0.76), min(width, height) // 16
    glow = Image.new("RGB", image.size)
    light = ImageDraw.Draw(glow)
    x = -rng.randint(0, 2 * unit)
    while x < width:
        wide, top = unit * rng.choice((3, 4)), int(height * rng.uniform(0.08, 0.34))
        draw.rectangle((x, top, x + wide - 1, horizon), fill=rng.choice(((28, 18, 54), (36, 22, 66), (22, 16, 46))))
        sign = rng.choice(((255, 60, 172), (40, 232, 255), (255, 214, 60), (150, 90, 255)))
        for row in range(top + unit, horizon - unit, 2 * unit):
            for column in range(x + unit // 2, x + wide - unit, 3 * unit // 2):
                if rng.random() < 0.55:
                    draw.rectangle((column, row, column + unit * 3 // 4, row + unit * 3 // 4), fill=sign)
        light.rectangle((x + unit // 3, horizon - unit, x + wide - unit // 2, horizon - unit // 3), fill=sign)
        x += wide
    draw.rectangle((0, horizon, width, height), fill=(18, 12, 34))
    street = glow.crop((0, horizon - unit * 2, width, horizon)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    glow.paste(street.resize((width, height - horizon)), (0, horizon))
    shine = np.asarray(glow.filter(ImageFilter.GaussianBlur(unit * 0.7)), np.float32)
    lit = np.asarray(image, np.float32) + shine + 0.6 * np.asarray(glow, np.float32)
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


SCENES: dict[str, Callable[[int, int, random.Random], Image.Image]] = {
    "dusk": dusk,
    "night sky": night_sky,
    "meadow": meadow,
    "beach": beach,
    "neon street": neon_street,
}


def draw_background(name: str, width: int, height: int, rng: random.Random) -> Image.Image:
    """An RGB picture of a colour or a scene; raises KeyError where it is neither."""
    return flat(name, width, height) if name in COLOURS else SCENES[name](width, height, rng)


def _lit(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255, int(part * light)) for part in colour)
    return red, green, blue


def _gradient(colours: list[Colour], width: int, height: int) -> Image.Image:
    rows = np.linspace(0, len(colours) - 1, height)
    column = np.stack([np.interp(rows, range(len(colours)), part) for part in zip(*colours, strict=True)], 1)
    return Image.fromarray(np.broadcast_to(column[:, None], (height, width, 3)).astype(np.uint8))


def _hills(
    draw: ImageDraw.ImageDraw, horizon: int, width: int, height: int, colour: Colour, rng: random.Random
) -> None:
    phase, swing, waves = rng.uniform(0, 6.3), height * 0.035, rng.uniform(1.0, 1.8)
    line = [(x, horizon + swing * np.sin(phase + 6.3 * waves * x / width)) for x in range(width + 1)]
    draw.polygon([(0, height), *line, (width, height)], fill=colour)
