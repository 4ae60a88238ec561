"""However many jobs and owners are in line, a move is as many commands of Redis."""

from collections.abc import Callable
from string import ascii_letters
from typing import Any

import pytest
import redis

from contract import keys
from tests.contract.conftest import Turns


def _calls(client: redis.Redis) -> int:
    stats: dict[str, dict[str, Any]] = client.info("commandstats")
    return sum(int(each["calls"]) for each in stats.values())


def _cost(turns: Turns, move: Callable[[], Any]) -> int:
    """Commands, those of the script included."""
    before = _calls(turns.client)
    move()
    return _calls(turns.client) - before


def _costs(turns: Turns, owners: str, batch_key: str) -> dict[str, int]:
    """Of each move, with that line: the fewest of three times, for other processes may ask the same Redis something."""
    times = [_costs_once(turns, owners, batch_key) for _ in range(3)]
    return {move: min(costs[move] for costs in times) for move in times[0]}


def _costs_once(turns: Turns, owners: str, batch_key: str) -> dict[str, int]:
    turns.client.flushdb()
    turns.ready("w")
    turns.pace(seconds=1, cost=1)
    names = turns.join(owners, batch_key=batch_key)
    last, taken = names[-1], list[str]()
    return {
        "submit": _cost(turns, lambda: turns.join(last[-1], batch_key=batch_key)),
        "poll": _cost(turns, lambda: turns.job(last)),
        "cancel": _cost(turns, lambda: turns.cancel(names[0])),
        "claim": _cost(turns, lambda: taken.extend(turns.claim_batch(4))),
        "finish": _cost(turns, lambda: turns.end(taken[0])),
    }


@pytest.fixture(autouse=True)
def _loaded(turns: Turns) -> None:
    """Every script: the first call of one is two more commands."""
    _costs_once(turns, "abc", "")


@pytest.mark.parametrize("batch_key", ["", "k"])
def test_a_longer_line_costs_no_more(turns: Turns, batch_key: str) -> None:
    assert keys.MOVES_AT_ONCE < 200
    long, longer = (_costs(turns, "a" * number, batch_key) for number in (200, 400))
    assert long == longer


def test_more_owners_cost_no_more(turns: Turns) -> None:
    many, more = (_costs(turns, ascii_letters[:number] * 3, "") for number in (26, 52))
    assert keys.OWNERS_LOOKED_AT < 26
    assert many == more
