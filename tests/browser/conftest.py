"""The playground in a real Chromium, against a real service. A page that logs an error of its own fails its test."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.playground import Playground
from tests.conftest import end
from tests.integration.conftest import Serve, start_serve, stop_serve
from tests.service.conftest import Service, start_service, start_stub_worker, stop_service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

OpenPage = Callable[..., Playground]
"""Of the fixture `open_page`: a new page of a new visitor at that address; the rest are options of the visitor."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for longer than a module: Playwright keeps an event loop, beside which others run none.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    complaints: list[str] = []

    def open_one(url: str, **options: Any) -> Playground:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}} | options)
        context.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        context.on("page", lambda page: _listen(page, complaints))
        page = context.new_page()
        page.goto(url)
        return Playground(page)

    yield open_one
    for context in browser.contexts:
        context.close()
    assert not complaints


def _listen(page: Page, complaints: list[str]) -> None:
    def logged(message: ConsoleMessage) -> None:
        # The browser itself says of every answer that is an error that it is one.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("console", logged)
    page.on("pageerror", lambda error: complaints.append(str(error)))


@contextmanager
def running_stub(redis_url: str, folder: Path, **environment: str) -> Iterator[Service]:
    """A service with a worker that obeys its prompts: see tests/stub_worker.py. Nothing of it is left in Redis."""
    service = start_service(redis_url, folder, **environment)
    worker = start_stub_worker(service, redis_url, **environment)
    yield service
    end(worker, signal.SIGKILL)
    stop_service(service)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()


@pytest.fixture
def stub(running: Service) -> Iterator[Service]:
    """The `running` of a module with stubs, which each of its tests finds empty."""
    yield running
    while jobs := running.http.get("/jobs?limit=100").json()["jobs"]:
        for job in jobs:
            running.http.post(f"/jobs/{job['id']}/cancel")
            running.http.delete(f"/jobs/{job['id']}")


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """The bundled model."""
    running = start_serve(tmp_path_factory.mktemp("serve") / "data").until_ready()
    yield running
    stop_serve(running)
