"""From what was measured of two servers to the table that says who is ahead."""

from bench.peers.comparison import (
    Spread,
    Turn,
    latency_gain,
    means_of_neighbours,
    rate_ratio,
    speed_rows,
    verdict,
    verdict_rows,
)
from bench.report import table


def turn(above: float, rate: float, bare: float = 4.0) -> Turn:
    """Beside a bare loop of that many images per second, twice as many in batches."""
    beside = [0.25, 0.30, 0.35]
    alone = [seconds + above for seconds in beside]
    return Turn(alone, beside, rate, 0.5, (bare, bare), (2 * bare, 2 * bare), failed=1)


def test_a_request_is_compared_with_the_bare_calls_on_both_its_sides() -> None:
    assert means_of_neighbours([1.0, 3.0, 7.0]) == [2.0, 5.0]


def test_a_machine_that_slowed_down_between_two_turns_decides_nothing() -> None:
    """Half the speed in the second round, for the bare loop and for both servers."""
    ours, theirs = [turn(0.01, 6.0), turn(0.01, 3.0, bare=2.0)], [turn(0.03, 3.0), turn(0.03, 1.5, bare=2.0)]
    assert rate_ratio(ours, theirs) == Spread(2.0, 2.0, 2.0)
    gain = latency_gain(ours, theirs)
    assert (round(gain.low, 9), round(gain.high, 9)) == (0.02, 0.02)


def test_who_is_behind_is_said_to_be_behind_and_rounds_that_disagree_too() -> None:
    assert verdict(Spread(1.5, 1.2, 1.9), 1, "x") == "ahead, x"
    assert verdict(Spread(0.9, 0.8, 0.95), 1, "x") == "**behind**, x"
    assert verdict(Spread(0.9, 0.8, 1.1), 1, "x") == "**behind**, x, rounds disagree"
    assert verdict(Spread(0.002, -0.001, 0.004), 0, "x") == "ahead, x, rounds disagree"
    assert verdict(Spread(1.0, 1.0, 1.0), 1, "x") == "even, x"


def test_the_tables_give_medians_and_ranges_of_the_rounds() -> None:
    rounds = {
        "Darkroom": [turn(0.012, 7.2), turn(0.008, 6.8), turn(0.010, 7.0)],
        "another": [turn(0.060, 3.5), turn(-0.002, 3.6), turn(0.009, 3.5)],
    }
    assert table(speed_rows(rounds)).splitlines()[2:] == [
        "| Darkroom | 10 (8 to 12) | 12 | 7.00 (6.80 to 7.20) | 1.75 (1.70 to 1.80) | 0.88 (0.85 to 0.90) "
        "| 500 (500 to 500) | 3 |",
        "| another | 9 (−2 to 60) | 60 | 3.50 (3.50 to 3.60) | 0.88 (0.88 to 0.90) | 0.44 (0.44 to 0.45) "
        "| 500 (500 to 500) | 3 |",
    ]
    assert table(verdict_rows(rounds)).splitlines() == [
        "| Darkroom beside | on images/s | on a lone request |",
        "|---|---|---|",
        "| another | ahead, ×2.00 (1.89 to 2.06) | **behind**, −1 (−10 to 48) ms, rounds disagree |",
    ]
