"""GET /jobs/{id}/events: what happens to a job, as Server-Sent Events, until its end."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import Header, Query, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from redis.exceptions import RedisError

from contract.job import JobStatus
from service.access.owners import Owner
from service.dependencies import InForce, Parts, WithInForce, WithOwner, WithParts
from service.errors import JobExpired, JobNotFound
from service.jobs.job_events import Event, Feed
from service.openapi.headers import answer_headers
from service.routes.problems import problem_responses
from service.routes.router import api_router

PING_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 1.0
"""After Redis did not answer."""
_RETRY_MILLISECONDS = 1000
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_EVENT: dict[str, Any] = {
    "description": "One event.",
    "type": "object",
    "properties": {
        "event": {"enum": ["queued", "running", "progress", "preview", *(each for each in JobStatus if each.ended)]},
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "one more than that of the event before"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
_EXAMPLE = {"event": "progress", "id": "3", "data": '{"step": 8, "total": 20}'}

router = api_router("jobs")

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", pattern="^[0-9]{0,15}$", description="the id of an event; go on after it")
]
Preview = Annotated[bool, Query(description="show the picture as it comes out of the noise, where the worker can")]


@router.get(
    "/jobs/{job_id}/events",
    operation_id="get_job_events",
    summary="What happens to a job, live",
    response_class=Response,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
            "description": "Events, until the job's end.",
            "headers": answer_headers("Cache-Control"),
        },
        204: {"description": "The job has ended, and the client has seen its end."},
        **problem_responses(404, 410, 503),
    },
)
async def get_job_events(
    job_id: str,
    owner: WithOwner,
    parts: WithParts,
    in_force: WithInForce,
    last_event_id: LastEventId = None,
    preview: Preview = False,
) -> Response:
    """`queued`, `running`, `progress`, and at the end `succeeded`, `failed` or `canceled` with the whole job.

    Every event has an id; a client that comes back with the last one as `Last-Event-ID` misses nothing and gets nothing
    twice. `preview` events have none: they are not kept.
    """
    after = int(last_event_id or 0)
    history = await parts.queue.history(job_id, owner, after)
    if history.job.status.ended and after >= history.last:
        return Response(status_code=204)
    # A Redis that crashed may have lost the last second: a client can know of more than there is.
    stream = EventStream(parts, owner, job_id, min(after, history.last))
    return EventSourceResponse(stream.run(preview, in_force), headers=STREAM_HEADERS)


class EventStream:
    """One client's; `_last` is the number of the event that it got last. `_render` is how each is told."""

    def __init__(self, parts: Parts, owner: Owner, job_id: str, after: int) -> None:
        self._parts = parts
        self._owner = owner
        self._job_id = job_id
        self._last = after
        self._over = False

    async def run(self, previews: bool, in_force: InForce) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=_RETRY_MILLISECONDS)
        with self._parts.events.listen(self._job_id, previews=previews) as feed:
            while not feed.closed and in_force():
                patience = PING_SECONDS
                try:
                    for event in await self._new_events(feed):
                        told = await self._render(event)
                        self._last, self._over = event.number, event.is_end
                        for part in self._with_previews(told, feed):
                            yield part
                except RedisError:
                    feed.behind, patience = True, _LOOK_AGAIN_SECONDS
                except (JobNotFound, JobExpired):
                    return
                if self._over:
                    return
                for shown in _shown(feed):
                    yield shown
                if not await feed.wait(patience):
                    feed.behind = True
                    yield KEEPALIVE_COMMENT

    def _with_previews(self, told: bytes, feed: Feed) -> Iterator[bytes]:
        if self._over:  # what was seen before it is told before it
            yield from _shown(feed)
        if told:
            yield told

    async def _new_events(self, feed: Feed) -> list[Event]:
        # An end that is told is news, whatever its number: a Redis that lost its last second uses numbers again.
        events = [event for event in feed.take() if event.number > self._last or event.is_end]
        if feed.behind or (events and events[0].number > self._last + 1):
            feed.behind = False
            events = (await self._parts.queue.history(self._job_id, self._owner, self._last)).events
        return events

    async def _render(self, event: Event) -> bytes:
        """Nothing for an event that is not told. Raises RedisError; the event is then looked up again."""
        return format_sse_event(id=str(event.number), event=event.type, data_str=await self._data(event))

    async def _data(self, event: Event) -> str:
        if event.is_end:
            return (await self._parts.queue.fetch(self._job_id, self._owner)).model_dump_json()
        if event.type == "progress":
            step, total = event.data.split("/")
            return json.dumps({"step": int(step), "total": int(total)})
        if event.type == "running":
            return json.dumps({"status": "running", "attempts": int(event.data)})
        return json.dumps({"status": event.type})


def _shown(feed: Feed) -> Iterator[bytes]:
    """One after the other: a client that is slow to read holds a copy of one, and all share the rest."""
    for preview in feed.take_previews():
        yield format_sse_event(event="preview", data_str=preview)
