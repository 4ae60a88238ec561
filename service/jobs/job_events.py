"""What happens to jobs, told to those in this process who listen.

One subscription to Redis for all of them. A listener that may have missed something is told to look it up. Knows Redis;
knows nothing of HTTP.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from contract import keys
from contract.job import JobStatus

log = structlog.get_logger("darkroom.service")

RECHECK_SECONDS = 5.0
"""A waiting client looks again this often, in case the event was lost with the connection that carried it."""
_ENDS = frozenset(status.value for status in JobStatus if status.ended)
_MOST_PENDING = 100
_MOST_PREVIEWS = 16
"""Twice as many as come at once."""
_PREVIEW_FLAG_SECONDS = 5
_PREVIEW_RENEWAL_SECONDS = 1.5


class Event(NamedTuple):
    """Something that happened to a job; its number is one more than that of the event before."""

    number: int
    type: str
    data: str

    @property
    def is_end(self) -> bool:
        return self.type in _ENDS


class Feed:
    """One listener to one job. `behind` says that there may be more than what it was told: to be looked up."""

    def __init__(self, *, previews: bool, ends_only: bool) -> None:
        self.behind = True
        self.closed = False
        self.previews = previews
        self._ends_only = ends_only
        self._pending: deque[Event] = deque()
        self._previews: deque[str] = deque(maxlen=_MOST_PREVIEWS)
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Until there is something new; whether there was in that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        news = self._news.is_set()
        self._news.clear()
        return news

    def take(self) -> list[Event]:
        """What was told since the last time."""
        events = list(self._pending)
        self._pending.clear()
        return events

    def take_previews(self) -> list[str]:
        """The previews since the last time, as JSON; of many, the latest."""
        previews = list(self._previews)
        self._previews.clear()
        return previews

    def tell(self, event: Event) -> None:
        if self._ends_only and not event.is_end:
            return
        if len(self._pending) >= _MOST_PENDING:
            self._pending.clear()
            self.behind = True
        self._pending.append(event)
        self._news.set()

    def show(self, preview: str) -> None:
        if self.previews:
            self._previews.append(preview)
            self._news.set()

    def catch_up(self) -> None:
        self.behind = True
        self._news.set()

    def close(self) -> None:
        self.closed = True
        self._news.set()


class JobEvents:
    """All listeners of this process."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)
        self._new_preview = asyncio.Event()
        self.stopping = False
        """Whether the process is about to end; every feed is closed then."""

    @contextmanager
    def listen(self, job_id: str, *, previews: bool = False, ends_only: bool = False) -> Iterator[Feed]:
        """A feed for the length of the block; closed from the start where the process is about to stop."""
        feed = Feed(previews=previews, ends_only=ends_only)
        self._feeds[job_id].add(feed)
        if self.stopping:
            feed.close()
        if previews:
            self._new_preview.set()
        try:
            yield feed
        finally:
            self._feeds[job_id].discard(feed)
            if not self._feeds[job_id]:
                del self._feeds[job_id]

    def stop(self) -> None:
        """Closes every feed, so that nobody holds up the end of the process."""
        self.stopping = True
        for feed in self._all():
            feed.close()

    async def run(self) -> None:
        """Until it is canceled, across outages of Redis."""
        await asyncio.gather(self._deliver(), self._ask_for_previews())

    async def _deliver(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(keys.EVENTS, keys.PREVIEWS)
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._tell(message["channel"], message["data"])
                        else:  # subscribed, maybe again: what happened before that was not told
                            self._catch_up()
            except RedisError as error:
                log.warning("events_interrupted", error=error)
                await asyncio.sleep(0.5)

    def _tell(self, channel: str, message: str) -> None:
        job_id, _, told = message.partition(" ")
        for feed in self._feeds.get(job_id, ()):
            if channel == keys.PREVIEWS:
                feed.show(told)
            else:
                number, type_, data = told.split(" ", 2)
                feed.tell(Event(int(number), type_, data))

    async def _ask_for_previews(self) -> None:
        """Previews cost the worker something: it makes them only where a flag in Redis, kept up here, asks for them."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._new_preview.wait(), _PREVIEW_RENEWAL_SECONDS)
            self._new_preview.clear()
            watched = [job_id for job_id, feeds in self._feeds.items() if any(feed.previews for feed in feeds)]
            if not watched:
                continue
            flags = self._client.pipeline(transaction=False)
            for job_id in watched:
                flags.set(keys.PREVIEW_PREFIX + job_id, "1", ex=_PREVIEW_FLAG_SECONDS)
            try:
                await flags.execute()
            except RedisError as error:
                log.warning("previews_not_asked_for", error=error)

    def _catch_up(self) -> None:
        for feed in self._all():
            feed.catch_up()

    def _all(self) -> list[Feed]:
        return [feed for feeds in self._feeds.values() for feed in feeds]
