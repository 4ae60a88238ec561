"""The arithmetic of the measurements: percentiles, ratios of neighbours, slopes. Knows nothing of what is measured."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least that share (0 to 1) of the values does not exceed: the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def over_neighbours(value: float, before: float, after: float) -> float:
    """The ratio of a window to the two beside it: what drifts on a machine in between cancels out."""
    return value / statistics.fmean((before, after))


class Slope(NamedTuple):
    """Of a straight line through samples, per unit of x, and its standard error."""

    value: float
    error: float

    @property
    def surely(self) -> float:
        """What is left of a rise when two standard errors are taken off; 0 where it may be noise."""
        return max(0.0, self.value - 2 * self.error)


def slope(xs: Sequence[float], ys: Sequence[float]) -> Slope:
    """Ordinary least squares; the error is the residuals' over the spread of x. At least three samples."""
    line = statistics.linear_regression(xs, ys)
    residuals = [y - line.intercept - line.slope * x for x, y in zip(xs, ys, strict=True)]
    middle = statistics.fmean(xs)
    spread = sum((x - middle) ** 2 for x in xs)
    return Slope(line.slope, math.sqrt(sum(residual**2 for residual in residuals) / (len(xs) - 2) / spread))
