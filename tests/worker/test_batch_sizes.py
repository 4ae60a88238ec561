"""How many images a batch may have, from what pipeline calls took."""

import pytest

from worker.batch_sizes import BatchSizes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limit(sizes: BatchSizes, key: str = "k", most: int = 99) -> int:
    sizes.settle(key, lambda images: images <= most)
    return sizes.limits().by_key[key]


def note(sizes: BatchSizes, images: int, seconds_per_image: float, times: int = 2, key: str = "k") -> None:
    for _ in range(times):
        sizes.note(key, images, images * seconds_per_image)


def test_a_key_that_nobody_knows_is_drawn_one_by_one() -> None:
    assert BatchSizes().limits().images == 1
    assert limit(BatchSizes()) == 1


def test_a_size_is_tried_once_its_half_is_known() -> None:
    sizes = BatchSizes()
    seen = []
    for images, seconds in ((1, 1.0), (2, 0.7), (4, 0.5), (8, 0.4)):
        sizes.note("k", images, images * seconds)
        seen.append(limit(sizes))  # one call is not enough
        sizes.note("k", images, images * seconds)
        seen.append(limit(sizes))
    assert seen == [1, 2, 2, 4, 4, 8, 8, 8]


@pytest.mark.parametrize(("doubled", "expected"), [(0.96, 4), (0.98, 1), (1.0, 1), (1.3, 1)])
def test_a_size_that_gains_nothing_is_not_used(doubled: float, expected: int) -> None:
    sizes = BatchSizes()
    note(sizes, 1, 1.0)
    note(sizes, 2, doubled, times=5)
    assert limit(sizes) == expected


def test_a_size_is_given_up_only_after_several_calls() -> None:
    sizes = BatchSizes()
    note(sizes, 1, 1.0)
    note(sizes, 2, 9.0, times=4)
    assert limit(sizes) == 2
    note(sizes, 2, 0.5, times=1)
    assert limit(sizes) == 4
    note(sizes, 2, 9.0, times=5)
    assert limit(sizes) == 1


def test_a_larger_size_is_held_against_its_half_and_not_against_one() -> None:
    sizes = BatchSizes()
    note(sizes, 1, 1.0)
    note(sizes, 2, 0.5)
    note(sizes, 4, 0.49, times=5)
    assert limit(sizes) == 2


def test_of_the_last_few_calls_the_fastest_counts() -> None:
    sizes = BatchSizes()
    note(sizes, 1, 1.0)
    note(sizes, 2, 0.5)
    note(sizes, 1, 9.0, times=4)
    note(sizes, 2, 9.0, times=4)
    assert limit(sizes) == 4
    note(sizes, 2, 9.0)  # now the fast one is too long ago
    assert limit(sizes) == 1


def test_what_is_old_is_forgotten_and_tried_again(clock: Clock) -> None:
    sizes = BatchSizes(now=clock)
    note(sizes, 1, 1.0)
    note(sizes, 2, 1.0, times=5)
    clock.now = 599
    assert limit(sizes) == 1
    clock.now = 601
    note(sizes, 1, 1.0)
    assert limit(sizes) == 2


def test_no_batch_takes_longer_than_a_minute() -> None:
    sizes = BatchSizes()
    note(sizes, 1, 31.0)
    assert limit(sizes) == 1  # two might take 62 seconds
    note(sizes, 1, 20.0)
    assert limit(sizes) == 2
    note(sizes, 2, 10.0)
    assert limit(sizes) == 4
    note(sizes, 4, 9.0)
    assert limit(sizes) == 4  # eight might take 72


def test_a_batch_that_took_longer_than_expected_is_not_drawn_again() -> None:
    sizes = BatchSizes()
    note(sizes, 1, 40.0)
    note(sizes, 2, 35.0)
    assert limit(sizes) == 1


def test_memory_halves_it() -> None:
    sizes = BatchSizes()
    for images, seconds in ((1, 1.0), (2, 0.7), (4, 0.5)):
        note(sizes, images, seconds)
    assert limit(sizes) == 8
    assert limit(sizes, most=7) == 4
    assert limit(sizes, most=0) == 1
    assert limit(sizes) == 8


def test_a_number_that_is_set_is_taken_for_all_and_lowered_only_for_memory() -> None:
    sizes = BatchSizes(6)
    assert sizes.limits().images == 6
    note(sizes, 1, 1.0)
    note(sizes, 2, 9.0)
    assert limit(sizes) == 6
    assert limit(sizes, most=5) == 3
    assert sizes.limits().by_key == {"k": 3}


def test_keys_are_apart_and_those_that_were_not_drawn_for_longest_are_forgotten() -> None:
    sizes = BatchSizes()
    for number in range(65):
        note(sizes, 1, 1.0, key=f"k{number}")
        assert limit(sizes, f"k{number}") == 2
        assert limit(sizes, "k0") == 2
    known = sizes.limits().by_key
    assert len(known) == 64
    assert "k0" in known
    assert "k1" not in known
