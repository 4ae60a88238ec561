"""The thread that ends jobs: in which order, how many may wait, and what its errors come to."""

import threading

import pytest
from redis.exceptions import RedisError

from tests.conftest import wait_until
from worker.execution import DeviceLost
from worker.finisher import Finisher


def broken_by(error: Exception) -> Finisher:
    """One that could not end a job; a second one waits."""

    def fail() -> None:
        raise error

    finisher = Finisher()
    finisher.hand_over(fail)
    finisher.hand_over(lambda: None)
    return finisher


def test_all_are_ended_in_their_order_before_it_is_left() -> None:
    ended = []
    with Finisher() as finisher:
        for number in range(100):
            finisher.hand_over(lambda number=number: ended.append((number, threading.current_thread().name)))
    assert ended == [(number, "finisher") for number in range(100)]


def test_one_batch_may_wait_behind_another_and_not_two() -> None:
    goes_on, ended, had_room = threading.Event(), [], threading.Event()
    with Finisher() as finisher:
        for batch in range(2):
            finisher.wait_for_room()
            finisher.begin_batch()
            finisher.hand_over(goes_on.wait)
            finisher.hand_over(lambda batch=batch: ended.append(batch))

        def wait_for_room() -> None:
            finisher.wait_for_room()
            had_room.set()

        waiter = threading.Thread(target=wait_for_room)
        waiter.start()
        assert not had_room.wait(0.2)
        goes_on.set()
        waiter.join()
        assert ended[0] == 0
        finisher.wait_for_all()
        assert ended == [0, 1]


def test_what_redis_refuses_is_raised_where_the_next_batch_is_begun_and_at_the_end() -> None:
    finisher = broken_by(RedisError("gone")).__enter__()
    wait_until(lambda: finisher.broken)
    for ask in (finisher.wait_for_room, finisher.wait_for_all, lambda: finisher.__exit__(None, None, None)):
        with pytest.raises(RedisError, match="gone"):
            ask()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_any_other_error_ends_what_waits_for_it_too() -> None:
    with pytest.raises(RuntimeError, match="ended by an error"), broken_by(ValueError("odd")) as finisher:
        finisher.wait_for_all()


def test_an_error_of_the_block_comes_after_what_was_drawn_before_it() -> None:
    ended = []

    def draw() -> None:
        with Finisher() as finisher:
            finisher.hand_over(lambda: ended.append(1))
            raise DeviceLost

    with pytest.raises(DeviceLost):
        draw()
    assert ended == [1]
