"""The real service, as a process, on the real Valkey."""

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
import redis

from darkroom.settings import variables
from tests.conftest import end, free_port, start_module, start_stub, wait_until
from tests.service.event_stream import Connect, RawStream
from tests.service.moves import Moves


def lasting(answer: httpx.Response) -> dict[str, str]:
    """The headers that are the same in two answers to the same request."""
    return {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}


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


def start_service(
    redis_url: str, data_dir: Path, *, output: IO[bytes] | None = None, module: str = "service", **environment: str
) -> Service:
    port = free_port()
    own = variables(redis_url=redis_url, data_dir=str(data_dir), port=str(port))
    process = start_module(module, own | environment, output)
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


def database(valkey_socket: Path) -> str:
    """The address of the one that the tests of the service share."""
    # Not the one of the other tests: the service's housekeeping would reap there too.
    return f"unix://{valkey_socket}?db=1"


@pytest.fixture
def redis_url(valkey_socket: Path) -> Iterator[str]:
    url = database(valkey_socket)
    yield url
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@pytest.fixture(scope="session")
def shared_service(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_service(database(valkey_socket), tmp_path_factory.mktemp("service"))
    yield service
    stop_service(service)


@pytest.fixture
def service(shared_service: Service, redis_url: str) -> Service:  # noqa: ARG001
    """One process for all tests, with an empty queue for each."""
    return shared_service


def start_stub_worker(service: Service, redis_url: str, **environment: str) -> subprocess.Popen[bytes]:
    """The real worker around a stub pipeline, ready to take the service's jobs."""
    process = start_stub(redis_url, service.data_dir, **environment)
    wait_until(lambda: [each["state"] for each in service.http.get("/readyz").json()["workers"]] == ["ready"], 30)
    return process


@pytest.fixture
def stub_worker(service: Service, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start_stub_worker(service, redis_url)
    yield process
    end(process, signal.SIGKILL)


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes raw connections, and closes them after the test."""
    streams: list[RawStream] = []

    def connect_one(http: httpx.Client, receive_buffer: int | None = None) -> RawStream:
        streams.append(RawStream(http, receive_buffer))
        return streams[-1]

    yield connect_one
    for stream in streams:
        stream.vanish()


@pytest.fixture
def moves(client: redis.Redis) -> Moves:
    return Moves(client)
