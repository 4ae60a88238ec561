"""Darkroom for the length of a block: Valkey with its append-only file, the service with an API key, a worker.

Each stack has a folder, a port and a Valkey of its own, so that two can be compared side by side. Knows processes and
cores; knows nothing of what is measured.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import httpx
import psutil

from bench.report import ROOT
from darkroom import valkey
from darkroom.settings import variables
from service.access.key_file import KeyLimits
from service.keys import add

Worker = Literal["worker", "tests.stub_worker"]
"""The modules that can be one: with the bundled model, or with a pipeline that returns at once."""
Process = subprocess.Popen[bytes]
Cores = frozenset[int]

_NO_BOUND = "10000000"
_READY_SECONDS, _ENDS_WITHIN_SECONDS = 120, 60
_LAST_WORDS = 2000
"""Of a child's log, in characters, where it did not do what it should."""


@dataclass(frozen=True)
class Stack:
    """A running Darkroom. `key` is an API key of the owner `bench`."""

    port: int
    key: str
    redis_url: str
    data_dir: Path
    valkey: Process
    service: Process
    worker: Process | None

    @property
    def image_store(self) -> Path:
        return self.data_dir / "images"


@contextmanager
def stack(worker: Worker | None = None, *, service_cores: Cores | None = None, **settings: str) -> Iterator[Stack]:
    """With those of Darkroom's settings, by their names in lower case, and a line without a bound.

    Its log is as it comes, in a file.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name, ExitStack() as processes:
        data_dir, port = Path(name), free_port()
        redis_url = redis_url_of(data_dir)
        key = add(data_dir / "keys.json", "bench", KeyLimits())
        own = {
            "redis_url": redis_url,
            "data_dir": name,
            "port": str(port),
            "api_keys_file": str(data_dir / "keys.json"),
            "device": "cpu",
            "max_queued_jobs": _NO_BOUND,
            "owner_max_queued_jobs": _NO_BOUND,
            "worker_name": f"bench-{port}",
        }
        environment = variables(**(own | settings))

        def start(module: str, cores: Cores | None = None) -> Process:
            command, log = (sys.executable, "-m", module), data_dir / f"{module}.log"
            return processes.enter_context(process(*command, log=log, environment=environment, cores=cores))

        server = processes.enter_context(valkey_server(data_dir))
        service = start("service", service_cores)
        until(lambda: answers(port), service)
        worker_process = start(worker) if worker else None
        if worker_process:
            until(lambda: _has_ready_worker(port, key), worker_process)
        yield Stack(port, key, redis_url, data_dir, server, service, worker_process)


@contextmanager
def valkey_server(folder: Path) -> Iterator[Process]:
    """As `darkroom serve` runs it, with its data in that folder."""
    binary = valkey.find_binary()
    if binary is None:
        raise SystemExit("no Valkey or Redis server is here")
    with process(*valkey.command(binary, folder), log=folder / "valkey.out") as server:
        until(lambda: valkey.answers(valkey.socket_path(folder)), server)
        yield server


def redis_url_of(folder: Path) -> str:
    """Where the Valkey of that folder is."""
    return f"unix://{valkey.socket_path(folder)}"


@contextmanager
def process(
    *command: str,
    log: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
    folder: Path = ROOT,
    cores: Cores | None = None,
) -> Iterator[Process]:
    """A child for the length of the block, in that folder, on those cores; else on those of this process.

    What it has started ends with it. Its last words are printed where the block ends by SystemExit.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=output)
    if cores is not None:
        pin(child.pid, cores)
    try:
        yield child
    except SystemExit:
        print(f"{log.name}: {log.read_text(errors='replace')[-_LAST_WORDS:]}", file=sys.stderr)
        raise
    finally:
        _end(child)


def _end(child: Process) -> None:
    """With what it has started: LitServe leaves its worker behind."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"killed, because it did not end: {child.args!r}", file=sys.stderr)
        child.kill()
        child.wait()
    for other in family:
        with suppress(psutil.NoSuchProcess):
            other.kill()


def until(condition: Callable[[], bool], child: Process) -> None:
    """Raises SystemExit where it does not come true in time, or where the child ends first."""
    deadline = time.monotonic() + _READY_SECONDS
    while not condition():
        if time.monotonic() > deadline or child.poll() is not None:
            raise SystemExit(f"not ready: {child.args!r}")
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether anybody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _has_ready_worker(port: int, key: str) -> bool:
    headers = {"Authorization": f"Bearer {key}"}
    workers = httpx.get(f"http://127.0.0.1:{port}/readyz", headers=headers, trust_env=False).json()["workers"]
    return any(each["state"] == "ready" for each in workers)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


CAN_PIN = hasattr(os, "sched_setaffinity")
"""Linux can; elsewhere everything runs on all cores, and the conditions of a result say so."""


def cores(most: int) -> Cores:
    """The last ones of this machine, at most that many; the first is where a system does its own work."""
    available = os.sched_getaffinity(0) if CAN_PIN else range(os.cpu_count() or 1)
    return frozenset(sorted(available)[-most:])


def pin(pid: int, cores: Cores) -> None:
    if CAN_PIN:
        os.sched_setaffinity(pid, cores)


@contextmanager
def on(cores: Cores) -> Iterator[None]:
    """This process, and whatever it starts in the block, on those cores."""
    before = os.sched_getaffinity(0) if CAN_PIN else set[int]()
    pin(0, cores)
    try:
        yield
    finally:
        pin(0, frozenset(before))
