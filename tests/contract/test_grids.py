"""Grids in the scripts: put in line as one, and told as what their jobs are."""

from typing import Any

import redis

from contract import keys, scripts
from contract.grid import GridRecord, GridStatus, grid_from_record
from tests.contract.conftest import Turns
from tests.contract.test_scripts import Line
from tests.submissions import OWNER, grid_submission


def submit(line: Line, grid: str, jobs: list[str], **changes: Any) -> list[Any]:
    answer: list[Any] = line.run(scripts.SUBMIT, grid_submission(grid, jobs, **changes))
    return answer


def fetch(line: Line, grid: str, owner: str = OWNER) -> GridRecord:
    return grid_from_record(grid, line.run(scripts.GRID, grid, owner))


def test_a_submit_whose_answer_was_lost_can_be_sent_again(client: redis.Redis) -> None:
    line = Line(client)
    first = submit(line, "g", ["a", "b"])
    assert submit(line, "g", ["a", "b"]) == first
    assert first[:2] == ["accepted", "g"]
    assert client.zcard(keys.JOBS_PREFIX + OWNER) == 2
    key = {"idempotency_key": "k", "fingerprint": "f"}
    assert submit(line, "h", ["c"], **key)[0] == submit(line, "h", ["c"], **key)[0] == "accepted"
    assert submit(line, "i", ["d"], **key)[:2] == ["replayed", "h"]


def test_the_jobs_of_a_grid_take_one_turn_each(turns: Turns) -> None:
    submit(turns.line, "g", [f"0000{number}a" for number in range(4)], owner="a")
    turns.join("bbbb")
    assert turns.owners(8) == "abababab"


def test_a_grid_is_queued_until_one_job_has_begun_and_ended_when_all_have(client: redis.Redis) -> None:
    line = Line(client)
    submit(line, "g", ["a", "b"])
    assert fetch(line, "g").status is GridStatus.QUEUED
    line.claim("e1")
    assert fetch(line, "g").status is GridStatus.RUNNING
    line.finish("a")
    assert fetch(line, "g").status is GridStatus.RUNNING
    line.cancel("b")
    assert fetch(line, "g").status is GridStatus.ENDED


def test_the_last_job_takes_its_grid_with_it_whatever_came_before(client: redis.Redis) -> None:
    line = Line(client)
    submit(line, "g", ["a", "b", "c"])
    line.run(scripts.CANCEL_GRID, "g", OWNER)
    client.delete(keys.JOB_PREFIX + "b")
    line.run(scripts.REMOVE, "a", 60)
    line.run(scripts.REMOVE, "a", 60)
    assert [cell.status is None for cell in fetch(line, "g").cells] == [True, True, False]
    line.run(scripts.REMOVE, "c", 60)
    assert line.run(scripts.GRID, "g", OWNER) == "gone"
    assert line.run(scripts.GRID, "g", "other") is None
    assert line.run(scripts.GRID, "g") == "gone"
    assert not client.exists(keys.GRID_PREFIX + "g", keys.GRIDS_PREFIX + OWNER)


def test_a_cell_that_a_tool_called_failed_has_the_error_of_its_job(client: redis.Redis) -> None:
    line = Line(client)
    submit(line, "g", ["a"])
    client.hset(keys.JOB_PREFIX + "a", "status", "failed")
    (cell,) = fetch(line, "g").cells
    assert cell.error == line.fetch("a").error
    assert cell.error is not None


def test_another_owner_cancels_nothing(client: redis.Redis) -> None:
    line = Line(client)
    submit(line, "g", ["a"])
    assert line.run(scripts.CANCEL_GRID, "g", "other") is None
    assert fetch(line, "g").status is GridStatus.QUEUED
