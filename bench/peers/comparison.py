"""The arithmetic of the comparison and its table: from what was measured to who is ahead.

Knows nothing of servers or clocks. All durations are in seconds, all rates per second.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.figures import over_neighbours, percentile


@dataclass(frozen=True)
class Turn:
    """One server in one round."""

    alone: Sequence[float]
    """Lone requests, one after the other, and beside each ..."""
    beside: Sequence[float]
    """... the bare calls just before and after it, in the mean."""
    rate: float
    """Images, with many clients."""
    cpu_seconds: float
    """What all processes of the server took for one of these images."""
    bare: tuple[float, float]
    """Images of the bare loop one by one, just before and after."""
    bare_batches: tuple[float, float]
    """The same, eight in a call."""
    failed: int = 0
    """Requests of the many clients that came to no image."""

    @property
    def above(self) -> list[float]:
        """What a lone request takes above the bare call."""
        return [alone - beside for alone, beside in zip(self.alone, self.beside, strict=True)]

    @property
    def above_median(self) -> float:
        return statistics.median(self.above)

    @property
    def over_bare(self) -> float:
        return over_neighbours(self.rate, *self.bare)

    @property
    def over_bare_batches(self) -> float:
        return over_neighbours(self.rate, *self.bare_batches)


def means_of_neighbours(bare: Sequence[float]) -> list[float]:
    """The means of neighbours: what stands beside that which was done in between."""
    return [(before + after) / 2 for before, after in pairwise(bare)]


Turns = Sequence[Turn]
"""Of one server, one for each round."""


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and how far they are apart."""

    median: float
    low: float
    high: float

    def scaled(self, factor: float) -> "Spread":
        return Spread(factor * self.median, factor * self.low, factor * self.high)


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def _of(turns: Turns, figure: Callable[[Turn], float]) -> Spread:
    return spread([figure(turn) for turn in turns])


def rate_ratio(ours: Turns, theirs: Turns) -> Spread:
    """Our images per second ÷ theirs, round by round, each as a share of the bare batches beside it.

    That is what remains comparable on a machine whose speed drifts from one server's turn to the next.
    """
    return spread([a.over_bare_batches / b.over_bare_batches for a, b in zip(ours, theirs, strict=True)])


def latency_gain(ours: Turns, theirs: Turns) -> Spread:
    """Seconds that a lone request takes less here than there, above the bare call, round by round."""
    return spread([b.above_median - a.above_median for a, b in zip(ours, theirs, strict=True)])


def verdict(found: Spread, even: float, shown: str) -> str:
    """Who is ahead, by the median alone; `even` is where nobody is.

    That the rounds do not agree is said too: on a noisy machine the next run may find the opposite.
    """
    side = "ahead" if found.median > even else "**behind**" if found.median < even else "even"
    agreed = found.low > even or found.high < even or found.low == found.high == even
    return f"{side}, {shown}" + ("" if agreed else ", rounds disagree")


def speed_rows(rounds: Mapping[str, Turns]) -> list[Sequence[str]]:
    """The head, then a row for each server; the first is the one that the others are compared with."""
    rows: list[Sequence[str]] = [
        (
            "",
            "lone request above bare, ms: p50",
            "p95",
            "images/s",
            "÷ bare one by one",
            "÷ bare by eight",
            "CPU ms an image",
            "failed",
        )
    ]
    for name, turns in rounds.items():
        above = _of(turns, lambda turn: turn.above_median).scaled(1000)
        p95 = 1000 * percentile([value for turn in turns for value in turn.above], 0.95)
        row = [name, _range(above, 0), _number(p95, 0), _range(_of(turns, lambda turn: turn.rate), 2)]
        row += [_range(_of(turns, lambda turn: turn.over_bare), 2)]
        row += [_range(_of(turns, lambda turn: turn.over_bare_batches), 2)]
        row += [_range(_of(turns, lambda turn: turn.cpu_seconds).scaled(1000), 0)]
        row += [str(sum(turn.failed for turn in turns))]
        rows.append(row)
    return rows


def verdict_rows(rounds: Mapping[str, Turns]) -> list[Sequence[str]]:
    """The head, then a row for each server but the first: how the first stands beside it."""
    (first, ours), *others = rounds.items()
    rows: list[Sequence[str]] = [(f"{first} beside", "on images/s", "on a lone request")]
    for name, theirs in others:
        ratio, gain = rate_ratio(ours, theirs), latency_gain(ours, theirs).scaled(1000)
        faster = verdict(ratio, 1, f"×{_range(ratio, 2)}")
        sooner = verdict(gain, 0, f"{_range(gain, 0)} ms")
        rows.append((name, faster, sooner))
    return rows


def _range(found: Spread, digits: int) -> str:
    return "{} ({} to {})".format(*(_number(value, digits) for value in (found.median, found.low, found.high)))


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")
