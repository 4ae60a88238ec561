from collections.abc import Iterator

import pytest
import redis

from contract.worker_state import WorkerState
from tests.conftest import wait_until
from tests.contract.test_scripts import Line
from worker.beat import Beat
from worker.execution import Execution, JobCanceled, LeaseLost

STATE = WorkerState(state="ready", pid=1)


@pytest.fixture
def beat(redis_url: str) -> Iterator[Beat]:
    with redis.Redis.from_url(redis_url) as client:
        beat = Beat(client, "w", STATE)
        yield beat
        beat.close()


@pytest.fixture
def line(client: redis.Redis) -> Line:
    line = Line(client)
    line.submit("a")
    return line


def execution() -> Execution:
    return Execution("a", "e1", 60, "too late")


def test_a_lease_outlives_its_length_while_it_is_held(beat: Beat, line: Line) -> None:
    line.claim("e1")
    held = execution()
    with beat.holding(held):
        line.expire_leases()
        wait_until(lambda: line.client.zscore("darkroom:leases", "a:e1") != 1)
    held.check()


def test_an_execution_without_a_lease_learns_it(beat: Beat, line: Line) -> None:
    held = execution()
    with beat.holding(held):
        wait_until(lambda: held.lost)
    assert line.fetch("a").status == "queued"
    with pytest.raises(LeaseLost):
        held.check()


def test_an_execution_learns_that_it_is_to_be_canceled(beat: Beat, line: Line) -> None:
    line.claim("e1")
    line.cancel("a")
    held = execution()
    with beat.holding(held):
        wait_until(lambda: held.canceled)
    with pytest.raises(JobCanceled):
        held.check()


def test_progress_is_shown(beat: Beat, line: Line) -> None:
    line.claim("e1")
    held = execution()
    with beat.holding(held):
        held.step, held.total = 3, 20
        wait_until(lambda: (progress := line.fetch("a").progress) and (progress.step, progress.total) == (3, 20))


def test_a_new_state_is_shown_at_once(beat: Beat, line: Line) -> None:
    beat.show(STATE.model_copy(update={"state": "failed", "reason": "broken"}))
    told = line.client.hget("darkroom:workers", "w") or ""
    assert WorkerState.model_validate_json(told.partition(" ")[2]).reason == "broken"
