"""Guidance scales that differ within one pipeline call, through the one number that diffusers takes.

A pipeline asks whether the number is above 1, and multiplies the difference of a step's two predictions by it, which
has a row for each image. Nothing else is provided for: tests/worker/test_batches.py draws with every kind of pipeline
that is guided, and fails where one does more with it. Knows nothing of pipelines.
"""

from collections.abc import Sequence

import torch


class RowScales(float):
    """One scale, above 1, for each image of a call; compared, it is the smallest."""

    def __new__(cls, scales: Sequence[float]) -> "RowScales":
        return super().__new__(cls, min(scales))

    def __init__(self, scales: Sequence[float]) -> None:
        self._rows = torch.tensor(list(scales))

    def __mul__(self, other: object) -> torch.Tensor:  # type: ignore[override]
        if not isinstance(other, torch.Tensor):
            return NotImplemented
        # Kept where it is used: a copy in every step would wait for the device each time.
        self._rows = self._rows.to(other.device).reshape(-1, *[1] * (other.ndim - 1))
        # In float32, as a plain number is: in half precision 7.3 is none.
        return (self._rows * other.float()).to(other.dtype)


def guidance_scale(scales: Sequence[float]) -> float:
    """What a pipeline takes for images of these scales, at least one: all of them above 1, or none.

    Up to 1 they are all alike to it, where the scale is no input of the model.
    """
    differ = len(set(scales)) > 1 and min(scales) > 1
    return RowScales(scales) if differ else scales[0]
