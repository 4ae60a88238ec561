"""Pictures of the bundled model through the service, beside the bare pipeline called in a loop.

`python -m bench.throughput`: what a request costs above the bare call, how many pictures per second 16 clients get with
and without batching, and what batching costs a request that comes alone. Every window of the service has a window of
the bare loops before and behind it, and is compared with these two. The bare loop calls diffusers as its manual shows,
with one prompt and one seed for each picture, and encodes PNG; it knows nothing of Darkroom's worker.
"""

import statistics
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import diffusers
import torch

from bench.client import Client, image_in_hand, request, run, window
from bench.figures import over_neighbours, percentile
from bench.report import ROOT, Count, Goal, Result, Row, command
from bench.stack import CAN_PIN, Stack, cores, on, stack
from contract.image_file import encode_image
from contract.model_catalog import read_model_catalog
from contract.parameters import GenerationParameters, GenerationRequest
from worker.schedulers import build_scheduler

CLIENTS = 16
BATCH = 8
_TURNS = 4
"""Of each client in a window: the first picture is drawn alone, and the last ones in what batches are left."""
SUBJECTS = ("a penguin", "a fox", "a lighthouse", "a red apple", "an owl", "a castle", "a sailing boat", "a teapot")
WITHOUT, WITH = "without batching", "with batching"


class BareLoop:
    """The pipeline of the bundled model, as a script would call it."""

    def __init__(self, steps: int) -> None:
        catalog = read_model_catalog(ROOT / "models.toml")
        self._parameters: GenerationParameters = catalog.default.complete(
            GenerationRequest(prompt=SUBJECTS[0], num_inference_steps=steps), 0
        )
        self._pipeline: Any = diffusers.AutoPipelineForText2Image.from_pretrained(  # type: ignore[no-untyped-call]
            ROOT / catalog.default.source, dtype=torch.float32, local_files_only=True
        )
        self._pipeline.scheduler = build_scheduler(self._parameters.scheduler, dict(self._pipeline.scheduler.config))
        self._pipeline.set_progress_bar_config(disable=True)

    def draw(self, seeds: Sequence[int]) -> None:
        """One pipeline call, a picture for each seed."""
        asked = self._parameters
        images = self._pipeline(
            [prompt_of(seed) for seed in seeds],
            width=asked.width,
            height=asked.height,
            num_inference_steps=asked.num_inference_steps,
            guidance_scale=asked.guidance_scale,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        ).images
        for image in images:
            encode_image(image, asked, 0)

    def rate(self, images: int, batch: int) -> float:
        """Pictures per second, so many in each call."""
        started = time.perf_counter()
        for first in range(0, images, batch):
            self.draw(range(first, first + batch))
        return images / (time.perf_counter() - started)


def prompt_of(seed: int) -> str:
    return f"an oil painting of {SUBJECTS[seed % len(SUBJECTS)]} on a blue background"


class Drawn:
    """Requests for pictures that all differ."""

    def __init__(self, steps: int) -> None:
        self._steps, self._seed = steps, 0

    async def __call__(self, client: Client) -> None:
        self._seed += 1
        asked = request(prompt=prompt_of(self._seed), seed=self._seed, num_inference_steps=self._steps)
        await image_in_hand(client, asked)


async def above_bare(darkroom: Stack, work: Drawn, bare: BareLoop, pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of requests, and by how much each is above the mean of the bare calls before and behind it.

    Raises CallFailed where one of them fails.
    """
    client = await Client.connect(darkroom.port, darkroom.key)
    requests: list[float] = []
    above: list[float] = []
    before = _seconds(bare)
    for _ in range(pairs):
        started = time.perf_counter()
        await work(client)
        requests.append(time.perf_counter() - started)
        after = _seconds(bare)
        above.append(requests[-1] - (before + after) / 2)
        before = after
    client.close()
    return requests, above


def _seconds(bare: BareLoop) -> float:
    started = time.perf_counter()
    bare.draw([1])
    return time.perf_counter() - started


async def lone_requests(stacks: dict[str, Stack], jobs: int) -> dict[str, list[float]]:
    """Seconds of empty jobs that come alone, by both stacks in turn."""
    clients = {name: await Client.connect(each.port, each.key) for name, each in stacks.items()}
    found: dict[str, list[float]] = {name: [] for name in stacks}
    for _ in range(jobs):
        for name, client in clients.items():
            started = time.perf_counter()
            await image_in_hand(client, request())
            found[name].append(time.perf_counter() - started)
    for client in clients.values():
        client.close()
    return found


class Rounds:
    """The figures of each round on so many cores."""

    def __init__(self, asked: Namespace) -> None:
        self._asked = asked
        self._bare = BareLoop(asked.steps)
        self.found: dict[str, list[float]] = {}

    def measure(self, stacks: dict[str, Stack]) -> None:
        """One round."""
        work, images = Drawn(self._asked.steps), self._asked.images
        requests, above = run(above_bare(stacks[WITH], work, self._bare, images))
        self._note("request, p50", 1000 * statistics.median(requests))
        self._note("above", 1000 * statistics.median(above))
        self._note("above, p95", 1000 * percentile(above, 0.95))
        before = self._bare_rates()
        for name, darkroom in stacks.items():
            drawn = run(window(darkroom.port, darkroom.key, CLIENTS, CLIENTS * _TURNS, work))
            after = self._bare_rates()
            self._note(name, drawn.rate)
            self._note("failed", drawn.failed)
            for batch in (1, BATCH):
                self._note(f"{name} ÷ bare {batch}", over_neighbours(drawn.rate, before[batch], after[batch]))
                self._note(f"bare {batch}", after[batch])
            before = after

    def _bare_rates(self) -> dict[int, float]:
        return {batch: self._bare.rate(max(batch, self._asked.images // BATCH * BATCH), batch) for batch in (1, BATCH)}

    def _note(self, name: str, value: float) -> None:
        self.found.setdefault(name, []).append(value)

    def rows(self, where: str) -> list[Row]:
        found = self.found

        def row(what: str, unit: str, name: str, goal: Goal | None = None) -> Row:
            return Row(f"{where}: {what}", unit, found[name], goal)

        return [
            row("one request, p50", "ms", "request, p50"),
            row("above the bare call, p50", "ms", "above"),
            row("above the bare call, p95", "ms", "above, p95"),
            row("bare loop, one at a time", "pictures/s", "bare 1"),
            row(f"bare loop, {BATCH} at a time", "pictures/s", f"bare {BATCH}"),
            row(f"{CLIENTS} clients, {WITHOUT}", "pictures/s", WITHOUT),
            row(f"{CLIENTS} clients, {WITH}", "pictures/s", WITH),
            row(f"{WITHOUT} ÷ bare, one at a time", "", f"{WITHOUT} ÷ bare 1", Goal(at_least=0.95)),
            row(f"{WITH} ÷ bare, {BATCH} at a time", "", f"{WITH} ÷ bare {BATCH}", Goal(at_least=0.95)),
            row(f"{WITH} ÷ bare, one at a time", "", f"{WITH} ÷ bare 1"),
            row("requests that failed in a window", "", "failed", Goal(at_most=0)),
        ]


def measure(asked: Namespace) -> Result:
    rows: list[Row] = []
    for number in asked.cores:
        with on(cores(number)), ExitStack() as running:
            torch.set_num_threads(number)
            stacks = {
                WITHOUT: running.enter_context(stack("worker", max_batch="1")),
                WITH: running.enter_context(stack("worker")),
            }
            rounds = Rounds(asked)
            for _ in range(asked.rounds + 1):
                rounds.measure(stacks)
                stacks = dict(reversed(stacks.items()))  # neither is always the first
            rounds.found = {name: values[len(values) // (asked.rounds + 1) :] for name, values in rounds.found.items()}
            rows += rounds.rows(f"{len(cores(number))} core{'s' * (number > 1)}")
    rows.append(_price_of_batching(asked))
    conditions = {
        "steps": asked.steps,
        "bare pictures a window": asked.images,
        "pictures of the service a window": CLIENTS * _TURNS,
        "pinned": CAN_PIN,
    }
    notes = ["A lone request must pay 0 ms for batching; what two medians differ by of themselves is allowed."]
    return Result("throughput", "The bundled model through the service, and its bare pipeline", rows, conditions, notes)


def _price_of_batching(asked: Namespace) -> Row:
    with on(cores(1)), ExitStack() as running:
        stacks = {
            WITHOUT: running.enter_context(stack("tests.stub_worker", max_batch="1")),
            WITH: running.enter_context(stack("tests.stub_worker")),
        }
        price = []
        for _ in range(asked.rounds + 1):
            found = run(lone_requests(stacks, asked.images * 4))
            price.append(1000 * (statistics.median(found[WITH]) - statistics.median(found[WITHOUT])))
    return Row("an empty job that comes alone: with batching, less without", "ms, p50", price[1:], Goal(at_most=0.2))


if __name__ == "__main__":
    command(
        __doc__,
        measure,
        rounds=Count(3, 1),
        steps=Count(20, 1),
        images=Count(16, 2, "of the bare loop, in a window"),
        cores=Count([1, 2], [1]),
    )
