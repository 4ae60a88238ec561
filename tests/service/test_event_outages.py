"""Listeners through interruptions: of the subscription, of Redis, of the service, and silence."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
import uvicorn

from contract import keys
from darkroom import valkey
from service.app import create_app
from service.routes import events as routes
from service.settings import ServiceSettings
from tests.conftest import end, free_port, start_valkey, wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.event_stream import Connect, all_events, events_of
from tests.service.moves import Moves, eventful, live

# A client that is sent pings never gives up by itself.
pytestmark = pytest.mark.timeout(60)


def test_an_event_that_was_not_delivered_is_looked_up_with_the_next(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    job_id = service.submit()["id"]
    moves.claim()
    with events_of(service.http, job_id) as events:
        told = [next(events) for _ in range(2)]
        with client.pipeline() as unpublished:
            unpublished.hincrby(keys.JOB_PREFIX + job_id, "events", 1)
            unpublished.xadd(keys.EVENTS_PREFIX + job_id, {"type": "progress", "data": "1/3"}, id="3-0")
            unpublished.execute()
        moves.progress(job_id, 2, 3)
        told += [next(events) for _ in range(2)]
        moves.finish(job_id)
        told += events
    assert told == all_events(service.http, job_id)


def test_what_happens_while_the_subscription_is_interrupted_is_not_lost(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    job_id = service.submit()["id"]
    with events_of(service.http, job_id) as events:
        told = [next(events)]
        moves.claim()
        told.append(next(events))
        with client.pipeline() as at_once:
            at_once.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            for step in (1, 2, 3):
                moves.progress(job_id, step, 3, at_once)
            at_once.execute()
        told += [next(events) for _ in range(3)]
        moves.finish(job_id)
        told += events
    assert told == all_events(service.http, job_id)


def test_a_stream_goes_on_soon_after_redis_would_not_answer_it(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    job_id = service.submit()["id"]
    moves.claim()
    with events_of(service.http, job_id) as events:
        assert [next(events).type for _ in range(2)] == ["queued", "running"]
        job = keys.JOB_PREFIX + job_id
        with client.pipeline() as at_once:
            moves.finish(job_id, client=at_once)
            # The end is published, and then the job cannot be read.
            at_once.rename(job, "aside")
            at_once.set(job, "no job")
            at_once.execute()
        time.sleep(0.3)
        client.rename("aside", job)
        back = time.monotonic()
        assert [event.type for event in events] == ["succeeded"]
        assert time.monotonic() - back < 5


def test_the_stream_of_a_job_that_is_removed_ends(service: Service, moves: Moves, client: redis.Redis) -> None:
    job_id = service.submit()["id"]
    moves.claim()
    with events_of(service.http, job_id) as events:
        assert [next(events).type for _ in range(2)] == ["queued", "running"]
        with client.pipeline() as at_once:
            moves.finish(job_id, client=at_once)
            moves.remove(job_id, at_once)
            at_once.execute()
        assert list(events) == []


def test_a_service_that_stops_ends_its_streams_and_another_goes_on(
    redis_url: str, moves: Moves, tmp_path: Path
) -> None:
    services = [start_service(redis_url, tmp_path)]
    try:
        job_id = services[0].submit()["id"]
        life = eventful(moves, job_id)
        with events_of(services[0].http, job_id) as events:
            told = [next(events)]
            live(life[:2])
            told += [next(events) for _ in range(2)]
            services[0].process.send_signal(signal.SIGTERM)
            stopped = time.monotonic()
            told += events
            services[0].process.wait(10)
            assert time.monotonic() - stopped < 4
        live(life[2:4])
        services.append(start_service(redis_url, tmp_path))
        with events_of(services[1].http, job_id, after=told[-1].id) as events:
            live(life[4:])
            told += events
        assert told == all_events(services[1].http, job_id)
        assert len(told) == 10
    finally:
        for service in services:
            stop_service(service)


def test_a_stream_outlives_a_crash_of_redis(tmp_path: Path) -> None:
    own = start_valkey(tmp_path)
    url = f"unix://{valkey.socket_path(tmp_path)}"
    service = start_service(url, tmp_path)
    try:
        job_id = service.submit()["id"]
        with redis.Redis.from_url(url, decode_responses=True) as client, events_of(service.http, job_id) as events:
            moves = Moves(client)
            life = eventful(moves, job_id)
            told = [next(events)]
            live(life[:2])
            told += [next(events) for _ in range(2)]
            # Where the disk is slow, the file may be behind.
            assert client.waitaof(1, 0, 5000)[0] == 1
            end(own, signal.SIGKILL)
            time.sleep(0.3)
            own = start_valkey(tmp_path)
            live(life[2:-1])  # before the service can have subscribed again
            told += [next(events) for _ in range(6)]
            live(life[-1:])
            told += events
        assert told == all_events(service.http, job_id)
        assert len(told) == 10
    finally:
        stop_service(service)
        end(own)


@pytest.fixture
def restless(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A service in this process, where the interval of its pings can be changed."""
    monkeypatch.setattr(routes, "PING_SECONDS", 0.2)
    app = create_app(ServiceSettings(redis_url=redis_url, data_dir=tmp_path))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
        yield http
    server.should_exit = True
    thread.join(15)


def test_a_stream_on_which_nothing_happens_is_pinged(restless: httpx.Client, moves: Moves, connect: Connect) -> None:
    job_id = restless.post("/generate", json={"prompt": "a fox"}).json()["id"]
    stream = connect(restless).listen(job_id)
    stream.read_until(b"id: 1\n\n")
    assert b"\n: ping\n\n" in stream.read_event()
    stream.read_until(b": ping\n\n")
    moves.claim()
    assert b"event: running" in stream.read_until(b"event:")


def test_the_stream_of_a_job_that_a_tool_deleted_ends(restless: httpx.Client, client: redis.Redis) -> None:
    job_id = restless.post("/generate", json={"prompt": "a fox"}).json()["id"]
    with events_of(restless, job_id) as events:
        assert next(events).type == "queued"
        client.delete(keys.JOB_PREFIX + job_id)
        assert list(events) == []


def test_a_stream_ends_with_its_job_though_redis_lost_its_last_second(
    service: Service, redis_url: str, connect: Connect
) -> None:
    with redis.Redis.from_url(redis_url) as raw, redis.Redis.from_url(redis_url, decode_responses=True) as client:
        moves, job_id = Moves(client), service.submit()["id"]
        moves.claim()
        saved = {name: raw.dump(name) for name in (keys.JOB_PREFIX + job_id, keys.EVENTS_PREFIX + job_id)}
        stream = connect(service.http).listen(job_id)
        stream.read_until(b"event: running")
        moves.progress(job_id, 1, 2)
        stream.read_until(b"event: progress")
        for name, value in saved.items():
            raw.restore(name, 0, value, replace=True)
        raw.client_kill_filter(_type="pubsub")
        moves.finish(job_id)
        stream.read_until(b"event: succeeded")  # before the first ping, or never
