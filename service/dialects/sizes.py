"""Sizes for clients that cannot know what a model draws: those that have one written into them, or give a shape alone.

Knows a model's limits and its own size; knows nothing of requests.
"""

import math

from contract.model import Model

LEAST_SIDE = 64
_SIDE_STEP = 8
"""Pixels; as contract.parameters.Side has them."""


def drawable_size(width: int, height: int, model: Model) -> tuple[int, int]:
    """That size where the model draws it, with sides in multiples of 8; else one of its shape that it draws well.

    That is no larger than the model's own: far above what it was trained for a model draws things twice.
    """
    limits, (even_width, even_height) = model.limits, (drawable_side(width), drawable_side(height))
    if even_width <= limits.width and even_height <= limits.height and even_width * even_height <= limits.pixels:
        return even_width, even_height
    return size_of_shape(width, height, model)


def size_of_shape(width: float, height: float, model: Model) -> tuple[int, int]:
    """The largest of that shape with no more pixels than the model's own size, within its limits.

    Of a shape so long that its shorter side would be below 64 pixels, that side is 64.
    """
    pixels = model.defaults.width * model.defaults.height
    scale = min(model.limits.width / width, model.limits.height / height, math.sqrt(pixels / (width * height)))
    widest, highest = drawable_side(width * scale), drawable_side(height * scale)
    return min(widest, drawable_side(pixels / highest)), min(highest, drawable_side(pixels / widest))


def drawable_side(pixels: float) -> int:
    """Down to a multiple of 8, and at least 64."""
    return max(LEAST_SIDE, int(round(pixels, 6)) // _SIDE_STEP * _SIDE_STEP)
