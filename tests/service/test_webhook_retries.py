import pytest

from service.webhooks.retries import DELAYS_SECONDS, Answer, outcome_of, seconds_until_next


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200), "delivered"),
        (Answer(204), "delivered"),
        (Answer(299), "delivered"),
        (Answer(410), "stopped"),
        (Answer(302), "retried"),
        (Answer(400), "retried"),
        (Answer(429), "retried"),
        (Answer(500), "retried"),
        (Answer(199), "retried"),
        (Answer(error="timeout"), "retried"),
    ],
)
def test_what_follows_from_an_answer(answer: Answer, outcome: str) -> None:
    assert outcome_of(answer, 1) == outcome


def test_the_last_try_is_the_eleventh() -> None:
    assert outcome_of(Answer(500), len(DELAYS_SECONDS)) == "retried"
    assert outcome_of(Answer(500), len(DELAYS_SECONDS) + 1) == "failed"
    assert outcome_of(Answer(200), len(DELAYS_SECONDS) + 1) == "delivered"


def test_at_least_eight_tries_come_within_a_day_and_growing_delays_reach_beyond_it() -> None:
    assert sum(DELAYS_SECONDS[:9]) * 1.1 <= 24 * 3600 <= sum(DELAYS_SECONDS)
    assert list(DELAYS_SECONDS) == sorted(set(DELAYS_SECONDS))


def test_a_delay_is_of_chance_within_a_tenth_and_can_be_scaled() -> None:
    delays = {seconds_until_next(Answer(500), 3, 0.01) for _ in range(200)}
    assert len(delays) > 100
    assert all(2.7 <= delay <= 3.3 for delay in delays)


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (Answer(503, retry_after_seconds=60), 60, 60),
        (Answer(429, retry_after_seconds=60), 60, 60),
        (Answer(503, retry_after_seconds=10**9), 3600, 3600),
        (Answer(503, retry_after_seconds=0), 4.5, 5.5),
        (Answer(500, retry_after_seconds=60), 4.5, 5.5),
    ],
)
def test_a_receiver_may_ask_for_more_time_up_to_an_hour(answer: Answer, least: float, most: float) -> None:
    assert least <= seconds_until_next(answer, 1, 1.0) <= most
