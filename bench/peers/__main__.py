"""Darkroom beside LitServe, BentoML, a FastAPI handler and RQ, all with the bundled model; prints tables in Markdown.

`python -m bench.peers PYTHON` takes the interpreter of the peers' environment. In every round each server is started,
measured and stopped in its turn; the bare pipeline call is measured beside it, so that a noisy machine is noisy for
all. Who draws another picture than the bare call is not compared: the run ends.
"""

import asyncio
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import torch
from PIL import Image, ImageChops, ImageStat

from bench import report
from bench.client import CallFailed, Client, Work, run, window
from bench.peers.comparison import Turn, means_of_neighbours, speed_rows, verdict_rows
from bench.peers.served.pocket import HEIGHT, MAX_BATCH_SIZE, NUM_INFERENCE_STEPS, WIDTH, PictureRequest, Pocket
from bench.peers.servers import Server, servers
from bench.stack import cores, on

CLIENTS = 16
POLL_ALONE_SECONDS, POLL_MANY_SECONDS = 0.02, 0.25
_READY_SECONDS = 120
_SAME_PICTURE = 8
"""Of 255: how far the brightness of two pixels may be apart. A batch of another size is summed in another order."""


@dataclass(frozen=True)
class Amount:
    """How much of everything one round has."""

    alone: int
    warm_up: int
    many: int
    bare_images: int
    bare_batches: int


FULL = Amount(alone=10, warm_up=32, many=48, bare_images=8, bare_batches=2)
QUICK = Amount(alone=2, warm_up=1, many=16, bare_images=2, bare_batches=1)


class Bench:
    """The bare loop, and the turns of the servers beside it."""

    def __init__(self, python: Path, amount: Amount) -> None:
        self._python = python
        self._amount = amount
        self._pocket = Pocket()
        self._requests = _requests()

    def turn(self, server: Server) -> Turn:
        """Starts the server, measures, and stops it. Raises SystemExit where it does not draw what all draw."""
        with server.running(self._python) as (port, key):
            run(self._draws_the_same(server, port, key))
            bare, alone = run(self._alone(server, port, key))
            picture = self._picture(server)
            run(window(port, key, CLIENTS, self._amount.warm_up, picture))  # some learn how large a batch may be
            before = self._bare_rates()
            used = _cpu_seconds_of_children()
            many = run(window(port, key, CLIENTS, self._amount.many, picture, lead=CLIENTS))
            used = (_cpu_seconds_of_children() - used) / (CLIENTS + self._amount.many + CLIENTS)
            after = self._bare_rates()
        singles, batches = zip(before, after, strict=True)
        return Turn(alone, means_of_neighbours(bare), many.rate, used, singles, batches, many.failed)

    async def _draws_the_same(self, server: Server, port: int, key: str | None) -> None:
        request = next(self._requests)
        (expected,) = self._pocket.draw([request])
        drawn = await _first_picture(server, port, key, request)
        images = (Image.open(io.BytesIO(png)).convert("L") for png in (expected, drawn))
        _, apart = ImageStat.Stat(ImageChops.difference(*images)).extrema[0]
        if apart > _SAME_PICTURE:
            raise SystemExit(f"{server.name} draws another picture: {apart} of 255 apart")

    async def _alone(self, server: Server, port: int, key: str | None) -> tuple[list[float], list[float]]:
        """Seconds of the bare calls and of the requests, in turns, a bare call first and last."""
        client = await Client.connect(port, key)
        bare, alone = [self._bare_seconds(1)], []
        for _ in range(self._amount.alone):
            started = time.perf_counter()
            await server.picture(client, next(self._requests), POLL_ALONE_SECONDS)
            alone.append(time.perf_counter() - started)
            bare.append(self._bare_seconds(1))
        client.close()
        return bare, alone

    def _picture(self, server: Server) -> Work:
        return lambda client: server.picture(client, next(self._requests), POLL_MANY_SECONDS)

    def _bare_rates(self) -> tuple[float, float]:
        """Images per second, one by one and in batches."""
        one_by_one = sum(self._bare_seconds(1) for _ in range(self._amount.bare_images))
        batches = sum(self._bare_seconds(MAX_BATCH_SIZE) for _ in range(self._amount.bare_batches))
        return self._amount.bare_images / one_by_one, self._amount.bare_batches * MAX_BATCH_SIZE / batches

    def _bare_seconds(self, images: int) -> float:
        requests = [next(self._requests) for _ in range(images)]
        started = time.perf_counter()
        self._pocket.draw(requests)
        return time.perf_counter() - started


def _cpu_seconds_of_children() -> float:
    """So far, of those that run."""
    times = (child.cpu_times() for child in psutil.Process().children(recursive=True))
    return float(sum(each.user + each.system for each in times))


def _requests() -> Iterator[PictureRequest]:
    """No two alike: nobody can answer from memory."""
    for seed in count(1):
        yield PictureRequest(prompt=f"an oil painting of a penguin on a blue background, number {seed}", seed=seed)


async def _first_picture(server: Server, port: int, key: str | None, request: PictureRequest) -> bytes:
    """As soon as the model is loaded: some servers answer before that."""
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            try:
                return await server.picture(await Client.connect(port, key), request, POLL_ALONE_SECONDS)
            except (CallFailed, OSError):
                await asyncio.sleep(0.2)


def measure(bench: Bench, rounds: int) -> dict[str, list[Turn]]:
    """By the servers' names. Each round begins with another one: none is always the first on a rested machine."""
    all_servers = servers()
    found: dict[str, list[Turn]] = {server.name: [] for server in all_servers}
    for number in range(rounds):
        first = number * len(all_servers) // rounds
        for server in all_servers[first:] + all_servers[:first]:
            turn = bench.turn(server)
            found[server.name].append(turn)
            told = f"{turn.rate:.2f} images/s, {turn.over_bare:.2f} of bare one by one, {turn.failed} failed"
            print(f"round {number + 1} of {rounds}: {server.name}: {told}", flush=True)
    return found


def fact_rows() -> list[tuple[str, ...]]:
    head = ("", "until the picture is there, the client", "in line when the servers are killed", "can be canceled")
    return [head, *((each.name, each.meanwhile, each.when_killed, each.can_be_canceled) for each in servers())]


def main() -> None:
    parser = report.options(__doc__)
    parser.add_argument("python", type=Path, help="the interpreter of the peers' environment")
    parser.add_argument("--cores", type=int, default=2, help="for servers, client and bare loop together")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rounds, amount = (1, QUICK) if asked.quick else (asked.rounds, FULL)
    with on(cores(asked.cores)):
        torch.set_num_threads(asked.cores)
        os.environ["OMP_NUM_THREADS"] = str(asked.cores)  # of every server: it inherits this
        found = measure(Bench(asked.python.absolute(), amount), rounds)
    document = result(found, asked.cores)
    print(f"\n{document['markdown']}", flush=True)
    report.keep(document, asked)


def result(found: Mapping[str, Sequence[Turn]], cores: int) -> dict[str, Any]:
    """As it is kept, with the tables as they are printed."""
    machine, date = report.machine(), datetime.now(UTC).date().isoformat()
    rounds = len(next(iter(found.values())))
    how = (
        f"{report.place(machine)}, {date}; {cores} of the cores, {WIDTH}x{HEIGHT}, {NUM_INFERENCE_STEPS} steps, "
        f"{CLIENTS} clients; who polls does it every {1000 * POLL_ALONE_SECONDS:g} ms alone, "
        f"{1000 * POLL_MANY_SECONDS:g} ms among many; medians of {rounds} rounds, and their range."
    )
    speed, verdicts, facts = (report.table(rows) for rows in (speed_rows(found), verdict_rows(found), fact_rows()))
    return {
        "name": "peers",
        "date": date,
        "machine": machine,
        "cores": cores,
        "markdown": "\n\n".join([speed, verdicts, how, "What is not speed:", facts]),
        "turns": {name: [asdict(turn) for turn in turns] for name, turns in found.items()},
    }


if __name__ == "__main__":
    main()
