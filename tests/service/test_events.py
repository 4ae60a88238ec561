import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis
import uvicorn

from contract import keys
from darkroom import valkey
from service.app import create_app
from service.jobs.job_events import Event as JobEvent
from service.jobs.job_events import Feed
from service.routes import events as routes
from service.settings import ServiceSettings
from tests.conftest import end, free_port, wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.event_stream import Event, RawStream, all_events, events_of, sse
from tests.service.moves import Moves

UNKNOWN = "0" * 32


# A client that is sent pings never gives up by itself.
pytestmark = pytest.mark.timeout(60)

Connect = Callable[..., RawStream]


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


def eventful(moves: Moves, job_id: str) -> list[Callable[[], Any]]:
    """A job's life with a crash in it: ten events, of which the first is its submit."""
    return [
        moves.claim,
        lambda: moves.progress(job_id, 1, 4),
        lambda: moves.progress(job_id, 2, 4),
        moves.crash,
        moves.claim,
        *(lambda step=step: moves.progress(job_id, step, 4) for step in (1, 2, 4)),
        lambda: moves.finish(job_id),
    ]


def live(life: list[Callable[[], Any]]) -> None:
    for move in life:
        move()


def is_gapless(events: list[Event]) -> bool:
    return [event.id for event in events] == list(range(1, len(events) + 1))


def test_a_job_is_told_from_its_submit_to_its_end(service: Service, moves: Moves) -> None:
    job_id = service.submit()["id"]
    with events_of(service.http, job_id) as events:
        assert next(events) == Event(1, "queued", {"status": "queued"})
        moves.claim()
        assert next(events) == Event(2, "running", {"status": "running", "attempts": 1})
        moves.progress(job_id, 1, 2)
        assert next(events) == Event(3, "progress", {"step": 1, "total": 2})
        moves.finish(job_id)
        last = next(events)
        assert list(events) == []
    assert last == Event(4, "succeeded", service.http.get(f"/jobs/{job_id}").json())


def test_a_failure_and_a_cancel_are_ends_too(service: Service, moves: Moves) -> None:
    failed, canceled = service.submit()["id"], service.submit()["id"]
    assert moves.claim() == failed
    moves.finish(failed, "failed", "error_code", "out_of_memory", "error_detail", "too large")
    with events_of(service.http, canceled) as events:
        assert next(events).type == "queued"
        service.http.post(f"/jobs/{canceled}/cancel")
        assert [(event.type, event.data["status"]) for event in events] == [("canceled", "canceled")]
    *_, end_of_failed = all_events(service.http, failed)
    assert end_of_failed.type == "failed"
    assert end_of_failed.data["error"] == {"code": "out_of_memory", "detail": "too large"}


def test_the_answer_is_a_stream_that_nobody_keeps_or_holds_back(service: Service, connect: Connect) -> None:
    stream = connect(service.http).listen(service.submit()["id"])
    head, _, body = stream.read_until(b"event: queued").partition(b"\r\n\r\n")
    lines = head.decode().lower().splitlines()
    assert lines[0] == "http/1.1 200 ok"
    assert {"cache-control: no-store", "x-accel-buffering: no", "transfer-encoding: chunked"} <= set(lines)
    assert any(line.startswith("content-type: text/event-stream") for line in lines)
    assert body.partition(b"\r\n")[2].startswith(b"retry: 1000\n\n")


def test_every_event_arrives_by_itself_when_it_happens(service: Service, moves: Moves, connect: Connect) -> None:
    job_id = service.submit()["id"]
    stream = connect(service.http).listen(job_id)
    stream.read_until(b"id: 1\n\n")
    stream.socket.settimeout(1)
    moves.claim()
    assert b"event: running" in stream.read_event()
    for step in range(1, 11):
        moves.progress(job_id, step, 10)
        received = stream.read_event()
        assert received.count(b"event:") == 1
        assert f'data: {{"step": {step}, "total": 10}}'.encode() in received
    moves.finish(job_id)
    # The end of the chunked body, and of the stream.
    assert b"event: succeeded" in stream.read_until(b"0\r\n\r\n")


@pytest.mark.parametrize("happened", [0, 1, 3, 5, 10])
def test_a_client_that_comes_late_is_told_what_happened_and_goes_on(
    service: Service, moves: Moves, happened: int
) -> None:
    job_id = service.submit()["id"]
    life = eventful(moves, job_id)
    live(life[:happened])
    with ThreadPoolExecutor() as pool, events_of(service.http, job_id) as events:
        first = next(events)
        pool.submit(live, life[happened:]).result()
        told = [first, *events]
    assert is_gapless(told)
    assert [event.type for event in told] == [
        *("queued", "running", "progress", "progress"),
        *("queued", "running", "progress", "progress", "progress", "succeeded"),
    ]
    assert told == all_events(service.http, job_id)


def test_resuming_after_any_event_gives_the_rest(service: Service, moves: Moves) -> None:
    job_id = service.submit()["id"]
    live(eventful(moves, job_id))
    whole = all_events(service.http, job_id)
    for cut in range(len(whole)):
        assert all_events(service.http, job_id, after=cut) == whole[cut:]


def test_a_client_whose_connection_breaks_after_every_event_misses_nothing(service: Service, moves: Moves) -> None:
    job_id = service.submit()["id"]

    def slowly() -> None:
        for move in eventful(moves, job_id):
            time.sleep(0.03)
            move()

    told: list[Event] = []
    with ThreadPoolExecutor() as pool, events_of(service.http, job_id) as uninterrupted:
        living = pool.submit(slowly)
        while not told or "completed_at" not in told[-1].data:
            with events_of(service.http, job_id, after=told[-1].id if told else None) as events:
                told.append(next(events))
        assert told == list(uninterrupted)
        living.result()
    assert is_gapless(told)
    assert len(told) == 10


def test_whoever_has_seen_the_end_is_told_to_stay_away(service: Service, moves: Moves, client: redis.Redis) -> None:
    job_id = service.submit()["id"]
    live(eventful(moves, job_id))
    for _ in range(2):
        answer = service.http.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "10"})
        assert (answer.status_code, answer.content) == (204, b"")
        client.delete(keys.EVENTS_PREFIX + job_id)


def test_of_a_job_that_ended_long_ago_the_end_is_still_told(
    service: Service, moves: Moves, client: redis.Redis
) -> None:
    job_id = service.submit()["id"]
    live(eventful(moves, job_id))
    assert 0 < client.ttl(keys.EVENTS_PREFIX + job_id) <= keys.EVENTS_SECONDS
    client.delete(keys.EVENTS_PREFIX + job_id)
    the_end = Event(10, "succeeded", service.http.get(f"/jobs/{job_id}").json())
    assert all_events(service.http, job_id) == all_events(service.http, job_id, after=9) == [the_end]


@pytest.mark.parametrize("last", ["x", "-1", "1.0", "1 1", "1-0", "9" * 16, "é", "٣"])
def test_a_last_event_id_that_is_none_is_refused(service: Service, last: str) -> None:
    job_id = service.submit()["id"]
    answer = service.http.get(f"/jobs/{job_id}/events", headers={b"Last-Event-ID": last.encode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"] == "/Last-Event-ID"


def test_an_empty_last_event_id_is_as_good_as_none(service: Service) -> None:
    job_id = service.submit()["id"]
    stream = service.http.stream("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": ""})
    with stream as answer:
        assert answer.status_code == 200


def test_a_last_event_id_beyond_what_happened_does_not_hide_what_happens_next(
    service: Service, moves: Moves, connect: Connect
) -> None:
    job_id = service.submit()["id"]
    stream = connect(service.http).listen(job_id, last_event_id="1000")
    stream.read_until(b"retry:")
    moves.claim()
    moves.finish(job_id)
    assert b"event: queued" not in stream.read_until(b"event: succeeded")


@pytest.mark.parametrize("job_id", [UNKNOWN, "x", "%ff", "*"])
def test_there_are_no_events_of_a_job_that_is_not_there(service: Service, job_id: str) -> None:
    answer = service.http.get(f"/jobs/{job_id}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_a_lost_lease_shows_as_queued_again(service: Service, moves: Moves) -> None:
    job_id = service.submit()["id"]
    with events_of(service.http, job_id) as events:
        assert next(events).type == "queued"
        moves.claim()
        moves.progress(job_id, 1, 2)
        moves.lose_the_lease(job_id)
        told = [next(events) for _ in range(3)]
        moves.claim()
        moves.finish(job_id)
        told += events
    assert [(event.id, event.type) for event in told] == [
        *((2, "running"), (3, "progress"), (4, "queued")),
        *((5, "running"), (6, "succeeded")),
    ]
    assert told[3].data == {"status": "running", "attempts": 2}


def test_clients_that_come_while_much_happens_get_every_event_once(service: Service, moves: Moves) -> None:
    job_id = service.submit()["id"]
    moves.claim()

    def hurry() -> None:
        for step in range(1, 401):
            moves.progress(job_id, step, 400)
        moves.finish(job_id)

    with ThreadPoolExecutor() as pool:
        hurrying = pool.submit(hurry)
        told = list(pool.map(lambda _: all_events(service.http, job_id), range(20)))
        hurrying.result()
    assert all(is_gapless(events) and len(events) == 403 for events in told)


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
        try:
            with client.pipeline() as at_once:
                moves.finish(job_id, client=at_once)
                # The end is published, and then the job cannot be read.
                at_once.execute_command("ACL", "SETUSER", "default", "-evalsha")
                at_once.execute()
            time.sleep(0.3)
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+evalsha")
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


def start_valkey(folder: Path) -> subprocess.Popen[bytes]:
    binary = valkey.find_binary()
    assert binary is not None
    process = subprocess.Popen(valkey.command(binary, folder))
    wait_until(lambda: valkey.answers(valkey.socket_path(folder)))
    return process


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
        moves.finish(job_id)
        seen += seeing
        told += others
    assert [event.event for event in seen] == ["queued", "running", "preview", "progress", "succeeded"]
    assert json.loads(seen[2].data) == {"step": 1, "text": "späti 🦊"}
    # What a client would resume after is the event before the preview.
    assert [event.id for event in seen] == ["1", "2", "2", "3", "4"]
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
