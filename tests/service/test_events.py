"""What a listener is told, in order, whenever it comes."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from contract import keys
from tests.service.conftest import Service
from tests.service.event_stream import Connect, Event, all_events, events_of
from tests.service.moves import Moves, eventful, live

UNKNOWN = "0" * 32

# A client that is sent pings never gives up by itself.
pytestmark = pytest.mark.timeout(60)


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
