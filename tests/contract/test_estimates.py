"""What a job in line is told of its turn: that its place and its seconds are what comes."""

import random
from collections.abc import Iterable
from itertools import accumulate

import pytest

from contract import keys, scripts
from contract.worker_state import WorkerState
from tests.contract.conftest import Turns


def _disturb(turns: Turns, chance: random.Random, *, give_back: bool) -> None:
    """Joins, claims, cancels, ends and, if wanted, gives back, as chance has it."""
    in_line: list[str] = []
    running: list[str] = []
    for _ in range(120):
        move = chance.choices(["join", "claim", "cancel", "end", "give back"], [12, 4, 3, 2, 2 * give_back])[0]
        if move == "join":
            in_line += turns.join(chance.choice("aaabcd"), chance.randint(1, 9))
        elif move == "claim" and (name := turns.claim()):
            in_line.remove(name)
            running.append(name)
        elif move == "cancel" and in_line:
            turns.cancel(in_line.pop(chance.randrange(len(in_line))))
        elif move == "end" and running:
            turns.end(running.pop(chance.randrange(len(running))))
        elif move == "give back" and running:
            in_line.append(running.pop(chance.randrange(len(running))))
            turns.give_back(in_line[-1])
    for name in running:
        turns.end(name)


def _told(turns: Turns) -> list[tuple[int, float, str]]:
    """Position, seconds and name of every job in line, in order."""
    told = []
    for owner in "abcd":
        for name in turns.in_line(owner):
            job = turns.job(name)
            assert job.queue_position is not None
            assert job.eta_seconds is not None
            told.append((job.queue_position, job.eta_seconds, name))
    return sorted(told)


def _costs(turns: Turns, names: Iterable[str]) -> list[int]:
    return [int(turns.client.hget(f"rq:job:{name}", "cost") or 0) for name in names]


@pytest.mark.parametrize("seed", range(8))
def test_the_place_that_is_shown_is_the_turn_that_comes(turns: Turns, seed: int) -> None:
    _disturb(turns, random.Random(seed), give_back=True)
    turns.ready("w")
    turns.pace(seconds=1, cost=1)
    told = _told(turns)
    assert len(told) > 10
    assert [position for position, _, _ in told] == list(range(1, len(told) + 1))
    seconds = [eta for _, eta, _ in told]
    assert seconds == sorted(seconds)
    assert turns.claim_all() == [name for _, _, name in told]


@pytest.mark.parametrize("seed", range(8, 14))
def test_the_seconds_that_are_shown_are_the_work_before_the_end(turns: Turns, seed: int) -> None:
    _disturb(turns, random.Random(seed), give_back=False)
    turns.ready("w")
    turns.pace(seconds=1, cost=1)
    told = _told(turns)
    assert len(told) > 10
    costs = _costs(turns, (name for _, _, name in told))
    assert [eta for _, eta, _ in told] == list(accumulate(costs))


def test_a_job_in_line_is_told_the_seconds_to_its_end(turns: Turns) -> None:
    first, second = turns.join("a", cost=3)[0], turns.join("b", cost=4)[0]
    turns.ready("w")
    turns.pace(seconds=10, cost=10)
    assert (turns.eta(first), turns.eta(second)) == (3, 7)


def test_the_rest_of_a_running_job_comes_first(turns: Turns) -> None:
    running = turns.join("a", cost=100)[0]
    turns.claim()
    behind = turns.join("b", cost=4)[0]
    turns.ready("w")
    turns.pace(seconds=10, cost=10)
    turns.has_run(running, 5, step=5, total=10)
    # As its own steps went, not as its cost would have it: half of it took five seconds.
    assert turns.eta(running) == pytest.approx(5, abs=0.5)
    assert turns.eta(behind) == pytest.approx(9, abs=0.5)


def test_before_its_first_step_a_running_job_goes_by_its_cost(turns: Turns) -> None:
    running = turns.join("a", cost=100)[0]
    turns.claim()
    assert turns.eta(running) is None
    turns.pace(seconds=10, cost=10)
    turns.has_run(running, 30)
    assert turns.eta(running) == pytest.approx(70, abs=0.5)
    turns.has_run(running, 300)
    assert turns.eta(running) == 0


def test_nobody_is_told_seconds_that_nobody_knows(turns: Turns) -> None:
    name = turns.join("a", cost=3)[0]
    turns.ready("w")
    assert turns.eta(name) is None
    turns.pace(seconds=10, cost=10)
    assert turns.eta(name) == 3
    turns.line.run(scripts.BEAT, "w", WorkerState(state="loading", pid=1).model_dump_json())
    assert turns.eta(name) is None


def test_a_worker_that_has_gone_silent_is_not_counted_on(turns: Turns) -> None:
    name = turns.join("a", cost=3)[0]
    turns.pace(seconds=10, cost=10)
    turns.ready("w", "silent")
    now, _ = turns.client.time()
    state = WorkerState(state="ready", pid=1).model_dump_json()
    turns.client.hset(keys.WORKERS, "silent", f"{now - 60} {state}")
    assert turns.eta(name) == 3


def test_two_ready_workers_take_half_the_time(turns: Turns) -> None:
    name = turns.join("a", cost=8)[0]
    turns.pace(seconds=10, cost=10)
    turns.ready("w", "x")
    assert turns.eta(name) == 4


def test_the_pace_is_that_of_the_jobs_that_were_done_the_last_ones_most(turns: Turns) -> None:
    turns.ready("w")
    for seconds in (10, 30):
        done = turns.join("a", cost=10)[0]
        turns.claim()
        turns.has_run(done, seconds)
        turns.end(done)
    for status in ("failed", "canceled"):
        other = turns.join("a", cost=10)[0]
        turns.claim()
        turns.has_run(other, 500)
        turns.end(other, status)
    name = turns.join("a", cost=100)[0]
    assert turns.eta(name) == pytest.approx(100 * (0.9 * 10 + 30) / (0.9 * 10 + 10), abs=2)


def test_a_batch_is_measured_once_not_once_for_each_of_its_jobs(turns: Turns) -> None:
    turns.ready("w")
    turns.join("aaa", cost=10, batch_key="k")
    turns.join("a", cost=30, batch_key="k")
    claimed = turns.claim_batch(4)
    for name in claimed:
        turns.has_run(name, 12)
        turns.end(name)
    name = turns.join("a", cost=100)[0]
    assert turns.eta(name) == pytest.approx(100 * 12 / 60, abs=0.5)


def test_the_rest_of_a_batch_comes_once_before_what_is_behind_it(turns: Turns) -> None:
    turns.ready("w")
    turns.pace(seconds=10, cost=10)
    turns.join("aaab", cost=10, batch_key="k")
    claimed = turns.claim_batch(4)
    behind = turns.join("c", cost=5)[0]
    for name in claimed:
        turns.has_run(name, 4)
    # All of it is forty seconds of work, for each of its jobs: they end together.
    assert [turns.eta(name) for name in claimed] == pytest.approx([36] * 4, abs=0.5)
    assert turns.eta(behind) == pytest.approx(36 + 5, abs=0.5)
    for name in claimed:
        turns.has_run(name, 10, step=1, total=4)
    assert [turns.eta(name) for name in claimed] == pytest.approx([30] * 4, abs=0.5)
    assert turns.eta(behind) == pytest.approx(30 + 5, abs=0.5)


def test_a_job_that_went_back_in_line_is_no_part_of_a_batch(turns: Turns) -> None:
    turns.ready("w")
    turns.pace(seconds=10, cost=10)
    turns.join("aaaa", cost=10, batch_key="k")
    first, *others = turns.claim_batch(4)
    for name in (first, *others):
        turns.give_back(name)
    assert turns.claim() == first
    turns.has_run(first, 0)
    assert turns.eta(first) == pytest.approx(10, abs=0.5)


def test_among_many_owners_the_work_before_a_job_is_taken_from_some_of_it(turns: Turns) -> None:
    turns.ready("w")
    turns.pace(seconds=1, cost=1)
    owners = [chr(ord("a") + number) for number in range(26)]
    for owner in owners * 3:
        turns.join(owner, cost=4)
    names = [name for owner in owners for name in turns.in_line(owner)]
    assert turns.client.scard(keys.OWNERS) > keys.OWNERS_LOOKED_AT
    for name in names:
        job = turns.job(name)
        assert job.queue_position is not None
        assert job.eta_seconds == 4 * job.queue_position


def test_among_many_owners_the_first_jobs_are_told_the_work_before_them_exactly(turns: Turns) -> None:
    turns.ready("w")
    turns.pace(seconds=1, cost=1)
    names = [turns.join(chr(ord("a") + number), cost=number + 1)[0] for number in range(26)]
    etas = [turns.eta(name) for name in names]
    assert etas[: keys.SAMPLED_JOBS] == list(accumulate(range(1, keys.SAMPLED_JOBS + 1)))
    # Of those behind them within a tenth, for costs that grow as evenly as these.
    assert etas[keys.SAMPLED_JOBS :] == pytest.approx(list(accumulate(range(1, 27)))[keys.SAMPLED_JOBS :], rel=0.1)
