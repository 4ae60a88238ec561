"""A real Valkey for every test that wants one."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
import redis

from darkroom import valkey
from darkroom.settings import variables

ROOT = Path(__file__).parents[1]


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true answer; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"nothing after {seconds} seconds")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_module(
    module: str, environment: Mapping[str, str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """`python -m`, with some variables more than this process has."""
    command, whole = [sys.executable, "-m", module], os.environ | environment
    return subprocess.Popen(command, cwd=ROOT, env=whole, stdout=output, stderr=output)


def start_stub(
    redis_url: str, data_dir: Path, name: str = "w", *, output: IO[bytes] | None = None, **environment: str
) -> subprocess.Popen[bytes]:
    """The real worker around a stub pipeline."""
    own = variables(redis_url=redis_url, data_dir=str(data_dir), worker_name=name)
    return start_module("tests.stub_worker", own | environment, output)


def end(process: subprocess.Popen[Any], number: signal.Signals = signal.SIGTERM) -> int:
    """Signals a process and waits for its end."""
    if process.poll() is None:
        process.send_signal(number)
    return process.wait(30)


def start_valkey(folder: Path) -> subprocess.Popen[bytes]:
    """As `darkroom serve` runs it: with what a former one left in the folder, on a socket there. It answers."""
    binary = valkey.find_binary()
    assert binary is not None
    process = subprocess.Popen(valkey.command(binary, folder))
    wait_until(lambda: valkey.answers(valkey.socket_path(folder)))
    return process


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="darkroom-valkey-") as name:
        process = start_valkey(Path(name))
        yield valkey.socket_path(Path(name))
        end(process)


@pytest.fixture
def redis_url(valkey_socket: Path) -> Iterator[str]:
    url = f"unix://{valkey_socket}"
    yield url
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """What a service sees: text in, text out."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
