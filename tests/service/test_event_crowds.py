"""Previews, and many listeners or slow ones."""

import json
from typing import Any

import psutil
import pytest
import redis

from contract import keys
from service.jobs.job_events import Event as JobEvent
from service.jobs.job_events import Feed
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.event_stream import Connect, RawStream, all_events, events_of, sse
from tests.service.moves import Moves

# A client that is sent pings never gives up by itself.
pytestmark = pytest.mark.timeout(60)


def preview(client: redis.Redis, job_id: str, document: dict[str, Any]) -> None:
    client.publish(keys.PREVIEWS, f"{job_id} {json.dumps(document)}")


def test_previews_come_to_whoever_asked_for_them_and_leave_the_events_alone(
    service: Service, moves: Moves, client: redis.Redis, connect: Connect
) -> None:
    job_id = service.submit()["id"]
    moves.claim()
    with sse(service.http, job_id, preview=1) as seeing, events_of(service.http, job_id) as others:
        raw = connect(service.http).listen(job_id, "?preview=true")
        raw.read_until(b"id: 2\n\n")
        seen = [next(seeing) for _ in range(2)]
        told = [next(others) for _ in range(2)]
        preview(client, "0" * 32, {"of": "another job"})
        preview(client, job_id, {"step": 1, "text": "späti 🦊"})
        assert b"id:" not in raw.read_event()
        seen.append(next(seeing))
        moves.progress(job_id, 1, 2)
        seen.append(next(seeing))
        for step in (2, 3, 4):
            preview(client, job_id, {"step": step})
        moves.finish(job_id)
        seen += seeing
        told += others
    previews, end = ["preview"] * 3, "succeeded"
    assert [event.event for event in seen] == ["queued", "running", "preview", "progress", *previews, end]
    assert json.loads(seen[2].data) == {"step": 1, "text": "späti 🦊"}
    assert [json.loads(event.data)["step"] for event in seen[4:7]] == [2, 3, 4]
    # What a client would resume after is the event before the preview.
    assert [event.id for event in seen] == ["1", "2", "2", "3", "3", "3", "3", "4"]
    assert told == all_events(service.http, job_id)


def test_the_worker_is_asked_for_previews_while_somebody_looks(
    service: Service, client: redis.Redis, connect: Connect
) -> None:
    seen, unseen = service.submit()["id"], service.submit()["id"]
    connect(service.http).listen(unseen).read_until(b"event:")
    looking = [connect(service.http).listen(seen, "?preview=1") for _ in range(2)]
    flag = keys.PREVIEW_PREFIX + seen
    wait_until(lambda: client.exists(flag), 1)
    assert 0 < client.ttl(flag) <= 5
    looking[0].vanish()
    # Renewed for the one that is still there.
    wait_until(lambda: client.pttl(flag) < 4500)
    wait_until(lambda: client.pttl(flag) > 4500, 3)
    assert not client.exists(keys.PREVIEW_PREFIX + unseen)
    looking[1].vanish()
    wait_until(lambda: not client.exists(flag), 7)


def listen(connect: Connect, service: Service, job_id: str) -> list[RawStream]:
    """Five hundred that know the job to be queued, in waves in which all come at once."""
    streams: list[RawStream] = []
    for _ in range(2):
        wave = [connect(service.http) for _ in range(250)]
        for stream in wave:
            stream.listen(job_id)
        for stream in wave:
            stream.read_until(b"id: 1\n\n")
        streams += wave
    return streams


def test_five_hundred_can_listen_at_once_and_leave_nothing_behind(
    service: Service, moves: Moves, client: redis.Redis, connect: Connect
) -> None:
    process = psutil.Process(service.process.pid)
    job_id = service.submit()["id"]
    idle = len(process.net_connections("tcp"))
    listening = listen(connect, service, job_id)
    assert len(process.net_connections("tcp")) >= idle + 500
    moves.claim()
    assert all(b"event: running" in stream.read_event() for stream in listening)
    moves.progress(job_id, 1, 2)
    assert all(b"event: progress" in stream.read_event() for stream in listening)
    moves.finish(job_id)
    for stream in listening:
        stream.read_until(b"event: succeeded")
        stream.vanish()
    assert len([each for each in client.client_list() if each["db"] == "1"]) < 80
    wait_until(lambda: len(process.net_connections("tcp")) <= idle)

    memory = process.memory_info().rss
    other = service.submit()["id"]
    for stream in listen(connect, service, other):
        stream.vanish()
    wait_until(lambda: len(process.net_connections("tcp")) <= idle)
    assert process.memory_info().rss - memory < 10_000_000


def test_a_client_that_does_not_read_holds_up_nobody_and_catches_up_when_it_does(
    service: Service, moves: Moves, client: redis.Redis, connect: Connect
) -> None:
    process = psutil.Process(service.process.pid)
    job_id = service.submit()["id"]
    moves.claim()
    blocked = connect(service.http, receive_buffer=4096).listen(job_id, "?preview=1")
    with events_of(service.http, job_id) as events:
        told = [next(events) for _ in range(2)]
        wait_until(lambda: client.exists(keys.PREVIEW_PREFIX + job_id))
        memory = process.memory_info().rss
        for number in range(300):
            preview(client, job_id, {"number": number, "picture": "x" * 100_000})
        for step in range(1, 301):
            moves.progress(job_id, step, 300)
        moves.finish(job_id)
        told += events
    assert len(told) == 303
    assert process.memory_info().rss - memory < 15_000_000
    received = blocked.read_until(b"0\r\n\r\n")
    ids = [int(line[3:]) for line in received.splitlines() if line.startswith(b"id:")]
    assert ids == [event.id for event in told]
    assert received.count(b"event: preview") < 100


def test_a_listener_that_falls_behind_keeps_no_more_than_the_latest() -> None:
    feed = Feed(previews=False, ends_only=False)
    feed.behind = False
    for number in range(1, 1001):
        feed.tell(JobEvent(number, "progress", f"{number}/1000"))
    assert feed.behind
    kept = feed.take()
    assert 0 < len(kept) <= 100
    assert kept[-1].number == 1000


def test_a_listener_that_falls_behind_sees_the_later_previews_in_their_order() -> None:
    feed = Feed(previews=True, ends_only=False)
    for number in range(1, 101):
        feed.show(str(number))
    kept = feed.take_previews()
    assert 8 <= len(kept) <= 20
    assert kept == [str(number) for number in range(101 - len(kept), 101)]
    assert feed.take_previews() == []
