"""The servers that are compared: how each is started, and how its client comes from a request to a picture.

Every one of them draws with served/pocket.py, Darkroom aside, which has a pipeline of its own. Knows commands and HTTP;
knows nothing of what is measured. The peers run in an environment of their own: nothing here imports them.
"""

import asyncio
import json
import tempfile
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.client import Client, image_in_hand
from bench.peers.served import pocket
from bench.peers.served.pocket import PictureRequest
from bench.stack import Process, answers, free_port, process, redis_url_of, stack, until, valkey_server

SERVED = Path(__file__).parent / "served"
LITSERVE_BATCH_TIMEOUT = 0.02
"""Seconds; a fifth of what its documentation's example waits. At its default, 0, the idle worker keeps a core busy: the
bare loop beside it, and anything else on two cores, would be robbed of it."""
_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""No reports to anybody, no downloads, and a graphics card is as little used as by the bare loop."""

_NOT_YET = ("queued", "started", "in_progress")
"""What RQ and BentoML call a job that has not ended."""

Picture = Callable[[Client, PictureRequest, float], Awaitable[bytes]]
"""The way to a PNG; who has to poll does it every so many seconds."""


@dataclass(frozen=True)
class Server:
    """One row of the table."""

    name: str
    running: Callable[[Path], AbstractContextManager[tuple[int, str | None]]]
    """With the `python` of the peers' environment: the port, and a key if one is asked for."""
    picture: Picture
    meanwhile: str
    """What the client does until the picture is there."""
    when_killed: str
    """What becomes of the requests in line when all its processes, Redis aside, are killed and started again."""
    can_be_canceled: str
    """Whether a request in line can be taken back, by what the library offers. None sees that its client has gone."""


def servers() -> list[Server]:
    """Darkroom first."""
    holds, lost, never = "holds the connection", "lost", "no"
    one_by_one, gathered = litserve(1, 0), litserve(pocket.MAX_BATCH_SIZE, LITSERVE_BATCH_TIMEOUT)
    milliseconds = f"{1000 * LITSERVE_BATCH_TIMEOUT:g} ms"
    return [
        Server("Darkroom", darkroom, darkroom_picture, "waits or polls", "drawn", "yes, running too"),
        Server("FastAPI, a handler with a lock", fastapi, posted("/generate"), holds, lost, never),
        Server("FastAPI + RQ SimpleWorker", rq, rq_picture, "polls", "drawn, but the running one", "yes"),
        Server("LitServe", one_by_one, posted("/generate"), holds, lost, never),
        Server(f"LitServe, batch 8, {milliseconds}", gathered, posted("/generate"), holds, lost, never),
        Server("BentoML", bentoml, posted("/generate"), holds, lost, never),
        Server("BentoML, adaptive batch 8", bentoml, bentoml_picture, holds, lost, never),
        Server("BentoML task, adaptive batch 8", bentoml, bentoml_task_picture, "polls", lost, never),
    ]


@contextmanager
def darkroom(_python: Path) -> Iterator[tuple[int, str | None]]:
    with stack("worker") as running:
        yield running.port, running.key


@contextmanager
def fastapi(python: Path) -> Iterator[tuple[int, str | None]]:
    with _folder() as folder, _uvicorn(python, "fastapi_handler:app", folder) as port:
        yield port, None


@contextmanager
def rq(python: Path) -> Iterator[tuple[int, str | None]]:
    """With Valkey as Darkroom runs it."""
    with _folder() as folder, valkey_server(folder):
        url = redis_url_of(folder)
        worker = ["-m", "rq.cli", "worker", "--worker-class", "rq.SimpleWorker", "--quiet", "--url", url, "pictures"]
        with _child(python, *worker, folder=folder), _uvicorn(python, "rq_api:app", folder, REDIS_URL=url) as port:
            yield port, None


def litserve(max_batch_size: int, batch_timeout: float) -> Callable[[Path], AbstractContextManager[tuple[int, None]]]:
    @contextmanager
    def running(python: Path) -> Iterator[tuple[int, None]]:
        port = free_port()
        command = ["litserve_server.py", "--port", str(port)]
        command += ["--max-batch-size", str(max_batch_size), "--batch-timeout", str(batch_timeout)]
        with _folder() as folder, _child(python, *command, folder=folder) as child:
            until(lambda: answers(port), child)
            yield port, None

    return running


@contextmanager
def bentoml(python: Path) -> Iterator[tuple[int, str | None]]:
    port = free_port()
    command = ["-m", "bentoml", "serve", "bentoml_service:PocketService", "--host", "127.0.0.1", "--port", str(port)]
    with _folder() as folder, _child(python, *command, folder=folder, BENTOML_HOME=str(folder)) as child:
        until(lambda: answers(port), child)
        yield port, None


def darkroom_picture(client: Client, request: PictureRequest, _poll_seconds: float) -> Awaitable[bytes]:
    how = {
        "width": pocket.WIDTH,
        "height": pocket.HEIGHT,
        "num_inference_steps": pocket.NUM_INFERENCE_STEPS,
        "guidance_scale": pocket.GUIDANCE_SCALE,
        "scheduler": pocket.SCHEDULER,
    }
    return image_in_hand(client, json.dumps(request.model_dump() | how).encode())


def posted(path: str) -> Picture:
    """The answer is the picture."""

    async def picture(client: Client, request: PictureRequest, _poll_seconds: float) -> bytes:
        return (await client.call("POST", path, request.model_dump_json().encode())).body

    return picture


async def rq_picture(client: Client, request: PictureRequest, poll_seconds: float) -> bytes:
    job = (await client.call("POST", "/generate", request.model_dump_json().encode())).json()
    await _polled(client, f"/jobs/{job['id']}", "finished", poll_seconds)
    return (await client.call("GET", f"/jobs/{job['id']}/image")).body


async def bentoml_picture(client: Client, request: PictureRequest, _poll_seconds: float) -> bytes:
    answer = await client.call("POST", "/generate_batched", _batch_of_one(request))
    return b64decode(answer.json()[0])


async def bentoml_task_picture(client: Client, request: PictureRequest, poll_seconds: float) -> bytes:
    task = (await client.call("POST", "/generate_later/submit", _batch_of_one(request))).json()["task_id"]
    await _polled(client, f"/generate_later/status?task_id={task}", "completed", poll_seconds)
    return b64decode((await client.call("GET", f"/generate_later/get?task_id={task}")).json()[0])


def _batch_of_one(request: PictureRequest) -> bytes:
    return json.dumps({"requests": [request.model_dump()]}).encode()


async def _polled(client: Client, path: str, done: str, poll_seconds: float) -> None:
    while (status := (await client.call("GET", path)).json()["status"]) != done:
        if status not in _NOT_YET:
            raise SystemExit(f"{path}: {status}")
        await asyncio.sleep(poll_seconds)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="darkroom-peer-") as name:
        yield Path(name)


@contextmanager
def _uvicorn(python: Path, app: str, folder: Path, **environment: str) -> Iterator[int]:
    port = free_port()
    command = ("-m", "uvicorn", app, "--port", str(port), "--log-level", "warning")
    with _child(python, *command, folder=folder, **environment) as child:
        until(lambda: answers(port), child)
        yield port


def _child(python: Path, *command: str, folder: Path, **environment: str) -> AbstractContextManager[Process]:
    """A module of served/, which logs into the folder."""
    return process(str(python), *command, log=folder / "log", environment=_QUIET | environment, folder=SERVED)
