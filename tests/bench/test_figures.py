import random

import pytest

from bench.figures import over_neighbours, percentile, slope


def test_a_percentile_is_the_nearest_rank():
    values = list(range(1, 101))
    random.Random(1).shuffle(values)
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert percentile([7.0], 0.95) == 7.0


def test_a_window_is_compared_with_the_mean_of_its_two_neighbours():
    assert over_neighbours(9, 8, 10) == pytest.approx(1.0)
    assert over_neighbours(9, 6, 12) == pytest.approx(1.0)  # the machine became twice as fast meanwhile


def test_the_slope_of_a_straight_line_has_no_error():
    line = slope([0, 10, 20, 30], [5, 35, 65, 95])
    assert line.value == pytest.approx(3)
    assert line.error == pytest.approx(0, abs=1e-9)
    assert line.surely == pytest.approx(3)


def test_the_error_of_a_slope_is_that_of_the_textbook():
    # Residuals 1/3, -2/3, 1/3: their squares sum to 2/3, over 1 degree of freedom, over a spread of x of 2.
    line = slope([0, 1, 2], [0, 0, 2])
    assert line.value == pytest.approx(1)
    assert line.error == pytest.approx((2 / 3 / 1 / 2) ** 0.5)


def test_noise_surely_rises_by_nothing_and_a_leak_in_it_is_seen():
    noise, xs = random.Random(7), list(range(200))
    flat = [1e6 + noise.gauss(0, 1000) for _ in xs]
    assert slope(xs, flat).surely == 0
    assert slope(xs, [y + 100 * x for x, y in zip(xs, flat, strict=True)]).surely == pytest.approx(100, rel=0.1)


def test_what_shrinks_does_not_surely_rise():
    assert slope([0, 1, 2, 3], [9, 6, 3, 0]).surely == 0
