"""Whether a long line costs more than a short one: submit, look up with the place in line, claim, finish.

`python -m bench.queue_depth` has a Darkroom for each depth, filled past the service by its own scripts, by one owner
and by a thousand; the depths take turns, job by job. Submit and look-up go over HTTP, the worker's moves go to Valkey.
"""

import itertools
import statistics
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import redis

from bench.client import Client, request, run
from bench.report import Count, Goal, Result, Row, command
from bench.stack import Stack, stack
from contract import scripts
from contract.worker_state import WorkerState
from tests.service.moves import Moves, submit_all
from tests.submissions import grid_submission

DEPTHS = (10, 100, 1000, 10_000, 100_000)
OWNERS = (1, 1000)
FLAT = Goal(at_most=1.3)
REQUEST = request()
_CELLS = 1000
READY = WorkerState(state="ready", pid=1).model_dump_json()
OPERATIONS = ("submit", "look up", "claim", "finish")

Seconds = dict[str, list[float]]
"""By operation."""


def fill(client: redis.Redis, depth: int, owners: int) -> None:
    """So many jobs in line, as cells of grids; those of one owner are the ones of the key that asks."""
    names = ["bench"] if owners == 1 else [f"owner-{number}" for number in range(min(owners, depth))]
    for owner, first in enumerate(range(0, depth, size := min(_CELLS, depth // len(names)))):
        ids = [f"{number:032x}" for number in range(first, min(first + size, depth))]
        grid = grid_submission(f"{first:032x}", ids, owner=names[owner % len(names)], max_queued=depth)
        submit_all(client, [grid])


class Line:
    """One Darkroom with a line of a certain depth, which a turn leaves as deep as it was."""

    def __init__(self, client: redis.Redis, http: Client) -> None:
        self._moves = Moves(client)
        self._beat = client.register_script(scripts.BEAT)
        self._http = http

    async def turn(self) -> dict[str, float]:
        """Seconds of each operation, once."""
        self._beat(args=["w", READY])  # without a worker there is no estimate to be made
        times = [time.perf_counter()]
        job_id = (await self._http.call("POST", "/generate", REQUEST)).json()["id"]
        times.append(time.perf_counter())
        await self._http.call("GET", f"/jobs/{job_id}")
        times.append(time.perf_counter())
        head = self._moves.claim()
        times.append(time.perf_counter())
        self._moves.finish(head)
        times.append(time.perf_counter())
        return {name: end - start for name, (start, end) in zip(OPERATIONS, itertools.pairwise(times), strict=True)}


@contextmanager
def lines(depths: tuple[int, ...], owners: int) -> Iterator[dict[int, Stack]]:
    """A filled Darkroom for each depth."""
    with ExitStack() as running:
        stacks = {depth: running.enter_context(stack()) for depth in depths}
        for depth, darkroom in stacks.items():
            with _client(darkroom) as client:
                fill(client, depth, owners)
        yield stacks


def _client(darkroom: Stack) -> redis.Redis:
    return redis.Redis.from_url(darkroom.redis_url, decode_responses=True)


async def measure_turns(stacks: dict[int, Stack], rounds: int, turns: int) -> dict[int, list[Seconds]]:
    """For each depth and round the seconds of every operation."""
    found: dict[int, list[Seconds]] = {depth: [] for depth in stacks}
    with ExitStack() as open_clients:
        of_depth = {
            depth: Line(
                open_clients.enter_context(_client(darkroom)),
                await Client.connect(darkroom.port, darkroom.key),
            )
            for depth, darkroom in stacks.items()
        }
        for _ in range(rounds + 1):
            for each in found.values():
                each.append(defaultdict(list))
            for _ in range(turns):
                for depth, line in of_depth.items():
                    for operation, seconds in (await line.turn()).items():
                        found[depth][-1][operation].append(seconds)
    return {depth: each[1:] for depth, each in found.items()}  # the first round warms up


def rows_of(found: dict[int, list[Seconds]], owners: int) -> list[Row]:
    """Milliseconds at the least depth, and the ratio to it at every other one."""
    least = min(found)
    by = "one owner" if owners == 1 else f"{owners:,} owners"
    rows = []
    for operation in OPERATIONS:
        medians = {depth: [statistics.median(each[operation]) for each in rounds] for depth, rounds in found.items()}
        rows.append(Row(f"{operation}, {least} in line, {by}", "ms", [1000 * value for value in medians[least]]))
        for depth in sorted(medians)[1:]:
            ratios = [deep / shallow for deep, shallow in zip(medians[depth], medians[least], strict=True)]
            rows.append(Row(f"{operation}, {depth:,} ÷ {least}, {by}", "", ratios, FLAT))
    return rows


def measure(asked: Namespace) -> Result:
    rows = []
    for owners in OWNERS:
        with lines(asked.depths, owners) as stacks:
            rows += rows_of(run(measure_turns(stacks, asked.rounds, asked.turns)), owners)
    conditions = {"turns a round at each depth": asked.turns}
    return Result("queue_depth", "What an operation costs with so many jobs in line", rows, conditions)


if __name__ == "__main__":
    command(
        __doc__,
        measure,
        rounds=Count(5, 1),
        turns=Count(100, 5, "in a round, at each depth"),
        depths=Count(DEPTHS, DEPTHS[:2]),
    )
