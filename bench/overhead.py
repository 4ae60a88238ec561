"""What the service costs: a job against the bare pipeline call, and a job whose pipeline returns at once.

`python -m bench.overhead` starts Valkey, the service and a worker of its own, measures both in one run, and prints a
Markdown table. Request and bare call take turns, so that a noisy machine is noisy for both.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from contract.image_file import encode_image
from contract.model_catalog import read_model_catalog
from contract.parameters import GenerationParameters, GenerationRequest
from darkroom import valkey
from worker.denoise import Denoiser
from worker.device import choose_device
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[1]
PORT = 18431
REQUEST = {"prompt": "an oil painting of a penguin on a blue background", "seed": 1, "num_inference_steps": 10}


@contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child for the length of the block."""
    child = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


class Client:
    """One keep-alive connection, as thin as the standard library has it."""

    def __init__(self) -> None:
        self._connection = HTTPConnection("127.0.0.1", PORT, timeout=120)

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        document: dict[str, object] = json.loads(answer.read())
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {document}")
        return document

    def generate(self, request: dict[str, object]) -> float:
        """Seconds from POST to the sight of `succeeded`, by a client that waits."""
        started = time.perf_counter()
        job = self.call("POST", "/generate", request)
        job = self.call("GET", f"/jobs/{job['id']}?wait=60")
        seconds = time.perf_counter() - started
        if job["status"] != "succeeded":
            raise SystemExit(f"the job did not succeed: {job}")
        return seconds


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("not ready after two minutes")
        time.sleep(0.1)


def ready(model: str) -> bool:
    """Whether the worker that draws with that model is ready."""
    try:
        workers = Client().call("GET", "/readyz")["workers"]
    except OSError:
        return False
    return isinstance(workers, list) and any((w["model"], w["state"]) == (model, "ready") for w in workers)


def summary(seconds: list[float]) -> str:
    milliseconds = sorted(1000 * value for value in seconds)
    p95 = milliseconds[int(0.95 * (len(milliseconds) - 1))]
    return f"{statistics.median(milliseconds):.1f} | {milliseconds[0]:.1f} | {p95:.1f} | {len(milliseconds)}"


def measure_instant(rounds: int, environment: dict[str, str]) -> list[float]:
    with process(sys.executable, "-m", "tests.stub_worker", **environment):
        until(lambda: ready("stub"))
        client = Client()
        for _ in range(20):
            client.generate(REQUEST)
        return [client.generate(REQUEST) for _ in range(rounds)]


def measure_model(rounds: int, environment: dict[str, str]) -> tuple[list[float], list[float]]:
    """Seconds of each request, and of the bare call after it: draw and encode, nothing stored or queued."""
    catalog = read_model_catalog(ROOT / "models.toml")
    parameters: GenerationParameters = catalog.default.complete(GenerationRequest.model_validate(REQUEST), 0)
    settings = WorkerSettings(device="cpu")
    draw = Denoiser(catalog, settings, choose_device(settings))

    def bare() -> float:
        started = time.perf_counter()
        drawn = draw(parameters, lambda *_: None)
        encode_image(drawn.images[0], parameters, 0)
        return time.perf_counter() - started

    with process(sys.executable, "-m", "worker", **environment):
        until(lambda: ready(catalog.default.id))
        client = Client()
        for _ in range(3):
            client.generate(REQUEST)
            bare()
        pairs = [(client.generate(REQUEST), bare()) for _ in range(rounds)]
    return [request for request, _ in pairs], [call for _, call in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instant", type=int, default=300, help="jobs whose pipeline returns at once")
    parser.add_argument("--model", type=int, default=40, help="jobs of the bundled model")
    args = parser.parse_args()
    binary = valkey.find_binary()
    if binary is None:
        raise SystemExit("no Valkey or Redis server is here")
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        environment = {
            "DARKROOM_REDIS_URL": f"unix://{valkey.socket_path(folder)}",
            "DARKROOM_DATA_DIR": name,
            "DARKROOM_PORT": str(PORT),
            "DARKROOM_DEVICE": "cpu",
            "DARKROOM_LOG_LEVEL": "warning",
        }
        with process(*valkey.command(binary, folder)):
            until(lambda: valkey.answers(valkey.socket_path(folder)))
            with process(sys.executable, "-m", "service", **environment):
                instant = measure_instant(args.instant, environment | {"DARKROOM_WORKER_NAME": "stub"})
                requests, calls = measure_model(args.model, environment | {"DARKROOM_WORKER_NAME": "model"})
    above = [request - call for request, call in zip(requests, calls, strict=True)]
    print("| from POST to `succeeded`, `?wait=` | median ms | best | p95 | jobs |")
    print("|---|---|---|---|---|")
    print(f"| a pipeline that returns at once | {summary(instant)} |")
    print(f"| the bundled model, {REQUEST['num_inference_steps']} steps | {summary(requests)} |")
    print(f"| the bare pipeline call beside it | {summary(calls)} |")
    print(f"| above the bare call, pair by pair | {summary(above)} |")
    print(f"\nservice ÷ bare: {statistics.median(requests) / statistics.median(calls):.3f}")


if __name__ == "__main__":
    main()
