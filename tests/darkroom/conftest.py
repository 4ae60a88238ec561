"""One real service with its worker for all tests of the client, and both clients behind the same verbs."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isasyncgen
from pathlib import Path
from typing import Any

import pytest

from darkroom import AsyncDarkroom, Darkroom
from tests.conftest import end
from tests.service.conftest import Service, start_service, start_stub_worker, stop_service

MakeClient = Callable[..., Any]
"""Of the fixture `make_client`: makes a `Darkroom`, or what looks like one."""


class Blocking:
    """An AsyncDarkroom, each of whose verbs runs in an event loop until it is done."""

    def __init__(self, runner: asyncio.Runner, *arguments: Any, **options: Any) -> None:
        self._runner = runner
        self._client = AsyncDarkroom(*arguments, **options)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = getattr(self._client, verb)(*arguments, **options)
            return self._each(result) if isasyncgen(result) else self._runner.run(result)

        return call

    def _each(self, results: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield self._runner.run(anext(results))  # type: ignore[arg-type]
            except StopAsyncIteration:
                return


@pytest.fixture(params=["Darkroom", "AsyncDarkroom"])
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def make(*arguments: Any, **options: Any) -> Any:
            blocks = request.param == "Darkroom"
            made.append(Darkroom(*arguments, **options) if blocks else Blocking(runner, *arguments, **options))
            return made[-1]

        yield make
        for client in made:
            client.close()


@pytest.fixture(scope="session")
def drawing_service(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a stub worker. Its Redis is no other test's, and is not emptied between two."""
    redis_url = f"unix://{valkey_socket}?db=12"
    service = start_service(redis_url, tmp_path_factory.mktemp("drawing"))
    worker = start_stub_worker(service, redis_url)
    yield service
    end(worker, signal.SIGKILL)
    stop_service(service)


@pytest.fixture
def either(make_client: MakeClient, drawing_service: Service) -> Any:
    """Each of the two clients, of a service that draws."""
    return make_client(drawing_service.url)
