"""How long POST /generate takes to answer: with nothing else to do, and while the worker draws on the same core.

`python -m bench.accept_latency`. Idle is what a lone client sees: the worker waits for a job, and takes it while the
answer is on its way. Busy is the bundled model at work, which has as much right to the core as the service.
"""

import asyncio
import time
from argparse import Namespace

from bench.client import Client, ended, request, run
from bench.figures import percentile
from bench.report import Count, Goal, Result, Row, command
from bench.stack import CAN_PIN, Stack, cores, on, stack

SHORT, LONG = request(), request(num_inference_steps=100, width=256, height=256)
_BUSY_GAP_SECONDS = 0.02
"""Between two requests: a client that comes now and then, not a flood."""


async def _accepted(client: Client, body: bytes) -> tuple[float, str]:
    """Seconds to the answer, and the job."""
    started = time.perf_counter()
    answer = await client.call("POST", "/generate", body)
    return time.perf_counter() - started, answer.json()["id"]


async def idle(darkroom: Stack, times: int) -> list[float]:
    """Each after the end of the job before."""
    client, found = await Client.connect(darkroom.port, darkroom.key), []
    for _ in range(times):
        seconds, job_id = await _accepted(client, SHORT)
        await ended(client, job_id)
        found.append(seconds)
    client.close()
    return found


async def busy(darkroom: Stack, times: int) -> list[float]:
    """While a long job runs; whatever came of it is canceled. Raises CallFailed where the job ended before that."""
    client, found = await Client.connect(darkroom.port, darkroom.key), []
    _, running = await _accepted(client, LONG)
    while (await client.call("GET", f"/jobs/{running}")).json()["status"] == "queued":
        await asyncio.sleep(0.05)
    job_ids = [running]
    for _ in range(times):
        seconds, job_id = await _accepted(client, LONG)
        found.append(seconds)
        job_ids.append(job_id)
        await asyncio.sleep(_BUSY_GAP_SECONDS)
    for job_id in reversed(job_ids):
        await client.call("POST", f"/jobs/{job_id}/cancel")
    await ended(client, running, "canceled")
    client.close()
    return found


def measure(asked: Namespace) -> Result:
    with on(cores(1)):
        with stack("tests.stub_worker") as darkroom:
            at_rest = [run(idle(darkroom, asked.requests)) for _ in range(asked.rounds + 1)][1:]
        with stack("worker") as darkroom:
            at_work = [run(busy(darkroom, asked.requests // 2)) for _ in range(asked.rounds)]
    rows = [
        Row(f"{state}, p{share:.0%}".rstrip("%"), "ms", [1000 * percentile(each, share) for each in found], goal)
        for state, found, share, goal in (
            ("idle", at_rest, 0.5, Goal(at_most=2)),
            ("idle", at_rest, 0.99, Goal(at_most=4)),
            ("the worker draws on the same core", at_work, 0.5, None),
            ("the worker draws on the same core", at_work, 0.99, None),
        )
    ]
    conditions = {"requests a round": asked.requests, "on one core": CAN_PIN}
    return Result("accept_latency", "From POST /generate to its answer", rows, conditions)


if __name__ == "__main__":
    command(__doc__, measure, rounds=Count(5, 1), requests=Count(300, 10, "in a round"))
