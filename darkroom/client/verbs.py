"""What the client can do, each verb once, as an exchange of requests and answers.

Knows addresses, fields and when to go on waiting; how requests are sent is sync.py's and asynchronous.py's.
"""

import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from darkroom.client.errors import DarkroomError, GridWaitTimeout, UnexpectedAnswer, WaitTimeout, not_succeeded
from darkroom.client.events import Listening
from darkroom.client.exchange import Exchange, Pause, Reply, Request, T, ask, error_of, read
from darkroom.client.listing import Listing, Page
from darkroom.client.offers import Model, Models, Scheduler, Schedulers, Style, Styles
from darkroom.client.options import OutputFormat, request_body
from darkroom.client.pictures import DrawnImage
from darkroom.client.records import Axis, GeneratedImage, Grid, Inspection, Job
from darkroom.client.tries import Tries

_UNHELD_SECONDS = 1.0
"""No sooner is asked again for what was not held: by a service that stops, or a proxy."""
_LONGEST_KEY = 255
_READY = frozenset((200, 503))
_OWN_URL = re.compile(r"/(?!/)[!-~]{,1000}")
"""A path of this service; two slashes would begin with the name of another."""

Awaited = TypeVar("Awaited", Job, Grid)


class Verbs:
    """Those of one client, with what it was made with."""

    def __init__(self, timeout_seconds: float, max_retries: int, outage_seconds: float, poll_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._max_retries = max_retries
        self._outage_seconds = outage_seconds
        self._poll_seconds = poll_seconds

    def submit(self, prompt: str, idempotency_key: str | None, options: Mapping[str, Any]) -> Exchange[Job]:
        return self._make(Job, "/generate", request_body({"prompt": prompt, **options}), idempotency_key)

    def generate(
        self, prompt: str, wait_seconds: float | None, idempotency_key: str | None, options: Mapping[str, Any]
    ) -> Exchange[list[DrawnImage]]:
        job = yield from self.submit(prompt, idempotency_key, options)
        job = yield from self.wait(job, wait_seconds)
        return (yield from self.images(job))

    def job(self, job: Job | str) -> Exchange[Job]:
        return self._fetch(Job, job_path(job))

    def wait(self, job: Job | str, wait_seconds: float | None) -> Exchange[Job]:
        found = job if isinstance(job, Job) else (yield from self.job(job))
        return (yield from self._until_ended(found, job_path(found), wait_seconds, WaitTimeout))

    def listening(self, job: Job | str, preview: bool) -> Exchange[Listening]:
        """Where the events of a job begin."""
        found = job if isinstance(job, Job) else (yield from self.job(job))
        return Listening(job_path(found), preview, self._patience)

    def cancel(self, job: Job | str) -> Exchange[Job]:
        return self._fetch(Job, f"{job_path(job)}/cancel", "POST")

    def delete(self, job: Job | str) -> Exchange[None]:
        yield from self._ask(Request("DELETE", job_path(job)))

    def images(self, job: Job | str) -> Exchange[list[DrawnImage]]:
        ended = yield from self.wait(job, 0)
        if error := not_succeeded(ended):
            raise error
        drawn = []
        for image in ended.images:
            drawn.append(DrawnImage(image, (yield from self.image(image, None, None))))
        return drawn

    def image(self, image: GeneratedImage, output_format: OutputFormat | None, width: int | None) -> Exchange[bytes]:
        path = _own(image.url)
        if output_format is not None:
            path = f"{path.rpartition('.')[0]}.{output_format}"
        query = [] if width is None else [("width", str(width))]
        answer = yield from self._ask(Request("GET", path, query))
        return answer.content

    def grid(
        self, parameters: Mapping[str, Any], x: Axis, y: Axis | None, idempotency_key: str | None
    ) -> Exchange[Grid]:
        body = {
            "parameters": request_body(parameters),
            "x": x.model_dump(mode="json"),
            "y": None if y is None else y.model_dump(mode="json"),
        }
        return self._make(Grid, "/grids", body, idempotency_key)

    def grid_status(self, grid: Grid | str) -> Exchange[Grid]:
        return self._fetch(Grid, grid_path(grid))

    def wait_grid(self, grid: Grid | str, wait_seconds: float | None) -> Exchange[Grid]:
        found = grid if isinstance(grid, Grid) else (yield from self.grid_status(grid))
        return (yield from self._until_ended(found, grid_path(found), wait_seconds, GridWaitTimeout))

    def cancel_grid(self, grid: Grid | str) -> Exchange[Grid]:
        return self._fetch(Grid, f"{grid_path(grid)}/cancel", "POST")

    def grid_sheet(self, grid: Grid | str, output_format: OutputFormat) -> Exchange[bytes]:
        answer = yield from self._ask(Request("GET", f"{grid_path(grid)}/sheet.{output_format}"))
        return answer.content

    def models(self) -> Exchange[list[Model]]:
        return (yield from self._fetch(Models, "/models")).models

    def schedulers(self) -> Exchange[list[Scheduler]]:
        return (yield from self._fetch(Schedulers, "/schedulers")).schedulers

    def styles(self) -> Exchange[list[Style]]:
        return (yield from self._fetch(Styles, "/styles")).styles

    def inspect(self, image: bytes | Path) -> Exchange[Inspection]:
        content = image if isinstance(image, bytes) else image.read_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        answer = yield from self._ask(Request("POST", "/inspect", headers=headers, body=content))
        return read(Inspection, answer.content)

    def readiness(self) -> Exchange[dict[str, Any]]:
        answer = yield from self._ask(Request("GET", "/readyz", accepted=_READY))
        return read(dict[str, Any], answer.content)

    def page(self, listing: Listing) -> Exchange[list[Job]]:
        answer = yield from self._ask(Request("GET", "/jobs", listing.query))
        return listing.turn(read(Page, answer.content))

    def _ask(self, request: Request) -> Exchange[httpx.Response]:
        return ask(request, Tries(most=1 + self._max_retries))

    def _fetch(self, kind: type[T], path: str, method: str = "GET") -> Exchange[T]:
        answer = yield from self._ask(Request(method, path))
        return read(kind, answer.content)

    def _make(self, kind: type[T], path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Exchange[T]:
        """One key for every try: whichever of them arrived, one job is made."""
        headers = {"Idempotency-Key": _key(idempotency_key)}
        answer = yield from self._ask(Request("POST", path, headers=headers, body=body))
        return read(kind, answer.content)

    def _patience(self) -> Tries:
        """For a service that has answered before, and will again when it has been started again."""
        return Tries(seconds=self._outage_seconds)

    def _until_ended(
        self, what: Awaited, path: str, wait_seconds: float | None, late: Callable[[Awaited], DarkroomError]
    ) -> Exchange[Awaited]:
        deadline = math.inf if wait_seconds is None else time.monotonic() + wait_seconds
        tries = self._patience()
        while not what.ended:
            asked_at = time.monotonic()
            hold = min(self._poll_seconds, max(0.0, deadline - asked_at))
            query = [("wait", f"{hold:g}")]
            reply: Reply = yield Request("GET", path, query, read_seconds=hold + self._timeout_seconds)
            if isinstance(reply, httpx.Response) and reply.is_success:
                what, tries, error = read(type(what), reply.content), self._patience(), None
                if what.ended:
                    break
                pause = max(0.0, asked_at + min(hold, _UNHELD_SECONDS) - time.monotonic())
            else:
                error = error_of(reply)
                pause = tries.pause_after(error)
            left = deadline - time.monotonic()
            if left <= 0:
                raise late(what) from error
            yield Pause(min(pause, left))
        return what


def job_path(job: Job | str) -> str:
    return f"/jobs/{_in_path(job.id if isinstance(job, Job) else job)}"


def grid_path(grid: Grid | str) -> str:
    return f"/grids/{_in_path(grid.id if isinstance(grid, Grid) else grid)}"


def _in_path(text: str) -> str:
    return quote(text, safe="")


def _own(url: str) -> str:
    """A URL that the service named, if it leads to the service itself: nobody else is shown the key.

    Raises UnexpectedAnswer.
    """
    if not _OWN_URL.fullmatch(url):
        raise UnexpectedAnswer("the address of the picture is not one of the service's own")
    return url


def _key(given: str | None) -> str:
    key = uuid4().hex if given is None else given
    if not 0 < len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise ValueError(f"idempotency_key must be 1 to {_LONGEST_KEY} printable characters of ASCII")
    return key
