"""What a job costs whose pipeline returns at once: from POST to the image in hand, alone and with 16 clients.

`python -m bench.empty_job` runs Valkey, service, worker and clients on one core, with leases, the append-only file and
an API key on. In the same rounds: three requests to a FastAPI app that does nothing, which is the floor and the noise.
"""

import sys
from argparse import Namespace

import psutil

from bench.client import Client, image_in_hand, request, run, window
from bench.figures import percentile
from bench.report import Count, Goal, Result, Row, command
from bench.stack import CAN_PIN, Stack, answers, cores, free_port, on, process, stack, until

CLIENTS = 16
PARTS = ("the service", "the worker", "Valkey")
REQUEST = request()


async def _job(client: Client) -> None:
    await image_in_hand(client, REQUEST)


async def _floor(client: Client) -> None:
    await client.call("POST", "/empty", REQUEST)
    await client.call("GET", "/empty/1")
    await client.call("GET", "/empty/1")


def _core_seconds(darkroom: Stack) -> dict[str, float]:
    """What each part has had of a core: a measure that other work on the machine hardly touches."""
    times = [
        psutil.Process(each.pid).cpu_times() for each in (darkroom.service, darkroom.worker, darkroom.valkey) if each
    ]
    return {part: each.user + each.system for part, each in zip(PARTS, times, strict=True)}


def measure(asked: Namespace) -> Result:
    floor_port = free_port()
    found: dict[str, list[float]] = {
        name: [] for name in ("p50", "p95", "rate", "failed", "floor", "floor_p95", *PARTS)
    }
    with on(cores(1)), stack("tests.stub_worker") as darkroom:
        command = (sys.executable, "-m", "bench.comparison_app", str(floor_port), darkroom.redis_url)
        with process(*command, log=darkroom.data_dir / "floor.log") as floor:
            until(lambda: answers(floor_port), floor)
            for _ in range(asked.rounds + 1):  # the first one warms up
                _round(asked, darkroom, floor_port, found)
    kept = {name: values[1:] for name, values in found.items()}
    return Result(
        "empty_job",
        "From POST to the image in hand, of a pipeline that returns at once",
        [
            Row("one client, p50", "ms", kept["p50"], Goal(at_most=5)),
            Row("one client, p95", "ms", kept["p95"], Goal(at_most=10)),
            Row(f"{CLIENTS} clients", "jobs/s", kept["rate"], Goal(at_least=300)),
            *(Row(f"what {part} takes of a core for a job", "ms", kept[part]) for part in PARTS),
            Row("jobs that failed", "", kept["failed"], Goal(at_most=0)),
            Row("three requests to a FastAPI app that does nothing, p50", "ms", kept["floor"]),
            Row("the same, p95", "ms", kept["floor_p95"]),
        ],
        {"jobs a round": f"{asked.jobs} alone and {asked.jobs * 4} by {CLIENTS} clients", "on one core": CAN_PIN},
        ["Valkey, service, worker and clients share the core; the clients' own time is in the figures."],
    )


def _round(asked: Namespace, darkroom: Stack, floor_port: int, found: dict[str, list[float]]) -> None:
    alone = run(window(darkroom.port, darkroom.key, 1, asked.jobs, _job))
    floor = run(window(floor_port, None, 1, asked.jobs, _floor))
    before = _core_seconds(darkroom)
    together = run(window(darkroom.port, darkroom.key, CLIENTS, asked.jobs * 4, _job))
    for part, seconds in _core_seconds(darkroom).items():
        found[part].append(1000 * (seconds - before[part]) / (asked.jobs * 4))
    found["p50"].append(1000 * percentile(alone.latencies, 0.5))
    found["p95"].append(1000 * percentile(alone.latencies, 0.95))
    found["rate"].append(together.rate)
    found["failed"].append(alone.failed + together.failed)
    found["floor"].append(1000 * percentile(floor.latencies, 0.5))
    found["floor_p95"].append(1000 * percentile(floor.latencies, 0.95))


if __name__ == "__main__":
    command(__doc__, measure, rounds=Count(5, 1), jobs=Count(150, 10, "in a round, by one client"))
