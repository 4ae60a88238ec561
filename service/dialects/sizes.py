"""Sizes for clients that cannot know what a model draws: those that have one written into them, or give a shape alone.

Knows a model's limits and its own size; knows nothing of requests.
"""

import math

from contract.model import Model

_LEAST_SIDE, _SIDE_STEP = 64, 8
"""Pixels; as contract.parameters.Side has them."""


def drawable_size(width: int, height: int, model: Model) -> tuple[int, int]:
    """That size where the model draws it, with sides in multiples of 8; else one of its shape that it draws well.

    That is no larger than the model's own: far above what it was trained for a model draws things twice.
    """
    limits, (even_width, even_height) = model.limits, (_side(width), _side(height))
    if even_width <= limits.width and even_height <= limits.height and even_width * even_height <= limits.pixels:
        return even_width, even_height
    return size_of_shape(width, height, model)


def size_of_shape(width: float, height: float, model: Model) -> tuple[int, int]:
    """The largest of that shape with no more pixels than the model's own size, within its limits.

    Of a shape so long that its shorter side would be below 64 pixels, that side is 64.
    """
    pixels = model.defaults.width * model.defaults.height
    scale = min(model.limits.width / width, model.limits.height / height, math.sqrt(pixels / (width * height)))
    scaled_width, scaled_height = _side(width * scale), _side(height * scale)
    return min(scaled_width, _side(pixels / scaled_height)), min(scaled_height, _side(pixels / scaled_width))


def _side(pixels: float) -> int:
    return max(_LEAST_SIDE, int(round(pixels, 6)) // _SIDE_STEP * _SIDE_STEP)
