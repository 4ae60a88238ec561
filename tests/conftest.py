"""A real Valkey for every test that wants one, and the real service on top of it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from darkroom import valkey

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


def end(process: subprocess.Popen[Any], number: signal.Signals = signal.SIGTERM) -> int:
    """Signals a process and waits for its end."""
    if process.poll() is None:
        process.send_signal(number)
    return process.wait(30)


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[Path]:
    binary = valkey.find_binary()
    assert binary is not None
    with tempfile.TemporaryDirectory(prefix="darkroom-valkey-") as name:
        process = subprocess.Popen(valkey.command(binary, Path(name)))
        path = valkey.socket_path(Path(name))
        wait_until(lambda: valkey.answers(path))
        yield path
        end(process)


@pytest.fixture
def redis_url(valkey_socket: Path) -> Iterator[str]:
    url = f"unix://{valkey_socket}"
    yield url
    with redis.Redis.from_url(url) as client:
        client.flushall()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """What a service sees: text in, text out."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@dataclass(frozen=True)
class Service:
    """A running `python -m service`."""

    http: httpx.Client
    process: subprocess.Popen[bytes]
    data_dir: Path
    url: str

    def submit(self, **parameters: Any) -> dict[str, Any]:
        answer = self.http.post("/generate", json={"prompt": "a fox"} | parameters)
        assert answer.status_code == 202, answer.text
        document: dict[str, Any] = answer.json()
        return document


def start_service(redis_url: str, data_dir: Path, **environment: str) -> Service:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ
        | {"DARKROOM_REDIS_URL": redis_url, "DARKROOM_DATA_DIR": str(data_dir), "DARKROOM_PORT": str(port)}
        | environment,
    )
    url = f"http://127.0.0.1:{port}"
    http = httpx.Client(base_url=url, timeout=30, trust_env=False)
    service = Service(http, process, data_dir, url)
    wait_until(lambda: _alive(service), 20)
    return service


def stop_service(service: Service) -> None:
    service.http.close()
    end(service.process)


def _alive(service: Service) -> bool:
    assert service.process.poll() is None, "the service ended"
    try:
        return service.http.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def shared_service(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_service(f"unix://{valkey_socket}", tmp_path_factory.mktemp("service"))
    yield service
    stop_service(service)


@pytest.fixture
def service(shared_service: Service, client: redis.Redis) -> Iterator[Service]:
    """One process for all tests, with an empty queue for each."""
    yield shared_service
    client.flushall()
