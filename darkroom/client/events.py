"""What happens to a job, event by event, and how a stream of events that was cut goes on.

Knows what the service sends; opens no connection.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import ServerSentEvent

from darkroom.client.exchange import Exchange, Pause, Reply, Request, ask, error_of, read
from darkroom.client.records import Job, Progress, Record
from darkroom.client.tries import Tries

_SILENCE_SECONDS = 45.0
"""The service sends something every 15 seconds."""


@dataclass(frozen=True)
class Event:
    """Something that happened. Those that a newer service adds are of this class itself."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Queued(Event):
    """The job is in line; again where a worker was lost."""


@dataclass(frozen=True)
class Running(Event):
    """A worker took the job, for the `attempts`th time."""

    attempts: int


@dataclass(frozen=True)
class Progressed(Event):
    """`step` of `total` are done."""

    step: int
    total: int


@dataclass(frozen=True)
class Preview(Event):
    """What the picture looks like after a step: a small JPEG."""

    step: int
    total: int
    content: bytes


@dataclass(frozen=True)
class Ended(Event):
    """The last event: the job, succeeded, failed or canceled."""

    job: Job


class Listening:
    """One caller's place in the events of a job."""

    def __init__(self, job_path: str, preview: bool, new_tries: Callable[[], Tries]) -> None:
        self.over = False
        self._job_path = job_path
        self._preview = preview
        self._new_tries = new_tries
        self._tries = new_tries()
        self._last_id = ""

    @property
    def request(self) -> Request:
        """For the events after those that were heard."""
        return Request(
            "GET",
            f"{self._job_path}/events",
            query=[("preview", "1")] if self._preview else [],
            headers={"Accept": "text/event-stream"} | ({"Last-Event-ID": self._last_id} if self._last_id else {}),
            read_seconds=_SILENCE_SECONDS,
        )

    def heard(self, message: ServerSentEvent) -> Event | None:
        """The event that a message is; None for one that says how to come back. Raises UnexpectedAnswer."""
        self._tries = self._new_tries()
        if not message.data:
            return None
        event = _event(message)
        self._last_id = message.id or self._last_id
        self.over = isinstance(event, Ended)
        return event

    def go_on(self, reply: Reply) -> Exchange[Event | None]:
        """What is to be done before the next request, after this reply to the one before. Raises what `ask` does.

        The end, where it is told no more: to a Redis that lost its last second it has an earlier number.
        """
        if isinstance(reply, httpx.Response) and reply.status_code == httpx.codes.NO_CONTENT:
            self.over = True
            answer = yield from ask(Request("GET", self._job_path), self._tries)
            job = read(Job, answer.content)
            return Ended(job.status, job.model_dump(), job)
        if isinstance(reply, httpx.Response) and reply.is_success:
            reply = httpx.RemoteProtocolError("the stream ended before the job did", request=reply.request)
        yield Pause(self._tries.pause_after(error_of(reply)))
        return None


class _Attempts(Record):
    attempts: int


class _PreviewImage(Progress):
    image: str
    """A data URL."""


def _event(message: ServerSentEvent) -> Event:
    data = read(dict[str, Any], message.data)
    match message.event:
        case "queued":
            return Queued(message.event, data)
        case "running":
            return Running(message.event, data, read(_Attempts, message.data).attempts)
        case "progress":
            progress = read(Progress, message.data)
            return Progressed(message.event, data, progress.step, progress.total)
        case "preview":
            shown = read(_PreviewImage, message.data)
            content = base64.b64decode(shown.image.partition(",")[2])
            return Preview(message.event, data, shown.step, shown.total, content)
        case "succeeded" | "failed" | "canceled":
            return Ended(message.event, data, read(Job, message.data))
        case _:
            return Event(message.event, data)
