"""How many requests one service process answers, beside FastAPI handlers with RQ in them.

`python -m bench.request_rates` has POST /generate beside `Queue.enqueue`, and GET /jobs/{id} beside `Job.fetch`, in
windows that take turns. Both servers have a core of their own in turn; Valkey and the clients share another one, where
there is another one. Darkroom's has its API key, its log, its line with position and estimate; the handlers have none.
"""

import sys
from argparse import Namespace
from collections.abc import Callable

from bench.client import Client, Window, Work, request, run, window
from bench.report import Count, Goal, Result, Row, command
from bench.stack import CAN_PIN, Stack, answers, cores, free_port, on, process, stack, until

CLIENTS = 16
REQUEST = request()


def _post(path: str) -> Work:
    async def post(client: Client) -> None:
        await client.call("POST", path, REQUEST)

    return post


def _get(path: str) -> Work:
    async def get(client: Client) -> None:
        await client.call("GET", path)

    return get


async def _made(port: int, key: str | None, path: str) -> str:
    """The id of a new job."""
    client = await Client.connect(port, key)
    job_id: str = (await client.call("POST", path, REQUEST)).json()["id"]
    client.close()
    return job_id


def measure(asked: Namespace) -> Result:
    mine, server_core = cores(2) - cores(1) or cores(1), cores(1)
    peer_port = free_port()
    with on(mine), stack(service_cores=server_core) as darkroom:
        command = (sys.executable, "-m", "bench.comparison_app", str(peer_port), f"{darkroom.redis_url}?db=1")
        with process(*command, log=darkroom.data_dir / "peer.log", cores=server_core) as peer:
            until(lambda: answers(peer_port), peer)
            rates, failed = _rounds(asked, darkroom, peer_port)
    rows = [Row("requests that failed, of all", "", failed, Goal(at_most=0))]
    for verb, own, other in (("POST", "POST /generate", "Queue.enqueue"), ("GET", "GET /jobs/{id}", "Job.fetch")):
        ours, theirs, empty = (rates[verb, who] for who in ("darkroom", "rq", "empty"))
        rows += [
            Row(f"`{own}`", "requests/s", ours),
            Row(f"`{other}` in a FastAPI handler", "requests/s", theirs),
            Row(f"{verb} to a FastAPI handler that does nothing", "requests/s", empty),
            Row(f"`{own}` ÷ `{other}`", "", [a / b for a, b in zip(ours, theirs, strict=True)], Goal(at_least=2)),
        ]
    shared = "Valkey and clients on another core" if mine != server_core else "all on one core"
    conditions = {"clients": CLIENTS, "requests a window": asked.requests, "pinned": f"{CAN_PIN}, {shared}"}
    return Result("request_rates", "Requests per second of one process on one core", rows, conditions)


def _rounds(
    asked: Namespace, darkroom: Stack, peer_port: int
) -> tuple[dict[tuple[str, str], list[float]], list[float]]:
    """Requests per second, by method and who answers; and how many failed. Of each round."""
    job_id = run(_made(darkroom.port, darkroom.key, "/generate"))
    peer_id = run(_made(peer_port, None, "/enqueue"))

    def answered(port: int, key: str | None, work: Work) -> Window:
        return run(window(port, key, CLIENTS, asked.requests, work))

    own, other = (darkroom.port, darkroom.key), (peer_port, None)
    windows: dict[tuple[str, str], Callable[[], Window]] = {
        ("POST", "darkroom"): lambda: answered(*own, _post("/generate")),
        ("POST", "rq"): lambda: answered(*other, _post("/enqueue")),
        ("POST", "empty"): lambda: answered(*other, _post("/empty")),
        ("GET", "darkroom"): lambda: answered(*own, _get(f"/jobs/{job_id}")),
        ("GET", "rq"): lambda: answered(*other, _get(f"/fetch/{peer_id}")),
        ("GET", "empty"): lambda: answered(*other, _get(f"/empty/{peer_id}")),
    }
    # The first round warms up.
    rounds = [{name: one() for name, one in windows.items()} for _ in range(asked.rounds + 1)][1:]
    failed = [float(sum(one.failed for one in each.values())) for each in rounds]
    return {name: [each[name].rate for each in rounds] for name in windows}, failed


if __name__ == "__main__":
    command(__doc__, measure, rounds=Count(5, 1), requests=Count(1500, 50, "in a window"))
