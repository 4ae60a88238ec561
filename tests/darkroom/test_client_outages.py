"""Both clients through cut connections, answers that are lost, refusals that pass, and a service that is killed."""

import asyncio
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis

from darkroom import AsyncDarkroom, Axis, Darkroom
from darkroom.client import Ended, Event, errors
from darkroom.client.records import GeneratedImage
from darkroom.settings import variables
from tests.conftest import end, start_module, wait_until
from tests.darkroom.conftest import MakeClient
from tests.darkroom.documents import a_job, job_document
from tests.darkroom.rough_server import CUT, LOSE, PASS, answer, rough_server
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import Moves

BUSY = answer(503, b"{}", Retry_After="0")
FULL = answer(507, b"{}")


@pytest.mark.parametrize("first", [LOSE, CUT, BUSY, answer(504, b"<html>")])
def test_a_submit_that_is_tried_again_makes_one_job(
    make_client: MakeClient, drawing_service: Service, first: bytes
) -> None:
    mine = {"outage": uuid4().hex}
    with rough_server(first, PASS, service_url=drawing_service.url) as server:
        client = make_client(server.url)
        job = client.submit("a fox", labels=mine)
        assert [each.id for each in client.jobs(labels=mine)] == [job.id]
    keys = [seen.header("idempotency-key") for seen in server.seen[:2]]
    assert keys[0] == keys[1] is not None


def test_a_grid_that_is_tried_again_is_one_grid(make_client: MakeClient, drawing_service: Service) -> None:
    mine = {"outage": uuid4().hex}
    with rough_server(LOSE, PASS, service_url=drawing_service.url) as server:
        client = make_client(server.url)
        grid = client.grid({"prompt": "a fox", "labels": mine}, x=Axis(parameter="seed", values=[1, 2]))
        assert {job.grid_id for job in client.jobs(labels=mine)} == {grid.id}
        assert len(list(client.jobs(labels=mine))) == 2


def test_no_two_submits_are_taken_for_one(make_client: MakeClient) -> None:
    with rough_server(answer(202, json.dumps(job_document()).encode())) as server:
        client = make_client(server.url)
        for _ in range(2):
            client.submit("a fox")
    assert len({seen.header("idempotency-key") for seen in server.seen}) == 2


def test_who_is_asked_to_come_back_later_does(make_client: MakeClient) -> None:
    later = answer(429, b"{}", Retry_After="1")
    with rough_server(later, answer(204)) as server:
        make_client(server.url).delete("1")
    assert server.seen[1].at - server.seen[0].at >= 1


@pytest.mark.parametrize(("say", "kind", "tries"), [(BUSY, errors.Unavailable, 3), (FULL, errors.StorageFull, 1)])
def test_what_does_not_pass_in_time_is_raised(
    make_client: MakeClient, say: bytes, kind: type[Exception], tries: int
) -> None:
    with rough_server(say) as server, pytest.raises(kind):
        make_client(server.url, max_retries=2).submit("a fox")
    assert len(server.seen) == tries


def test_a_picture_that_is_cut_short_is_fetched_again(make_client: MakeClient) -> None:
    picture = GeneratedImage.model_construct(url="/images/1/0.png")
    with rough_server(answer(200, b"pict", Content_Length="7"), answer(200, b"picture")) as server:
        assert make_client(server.url).image(picture) == b"picture"


def test_a_service_that_says_nothing_does_not_answer(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make_client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.1, max_retries=0)
        with pytest.raises(errors.CannotConnect, match="does not answer"):
            client.models()


def events(*told: str, ended: bool = False) -> bytes:
    """A stream that is closed; where it ended, after a whole event."""
    return answer(
        200, "".join(told).encode() + (b"" if ended else b"id: 9\nevent: prog"), Content_Type="text/event-stream"
    )


def test_a_stream_that_is_cut_goes_on_where_it_was(make_client: MakeClient) -> None:
    done = json.dumps(job_document(status="succeeded"))
    answers = (
        events("retry: 1000\n\n", 'id: 1\nevent: queued\ndata: {"status": "queued"}\n\n', ": ping\n\n"),
        BUSY,
        events("retry: 1000\n\n", ended=True),
        events('id: 2\nevent: paused\ndata: {"by": "nobody"}\n\n'),
        CUT,
        events(f"id: 3\nevent: succeeded\ndata: {done}\n\n", ended=True),
    )
    with rough_server(*answers) as server:
        told = list(make_client(server.url).stream(a_job()))
    assert [event.type for event in told] == ["queued", "paused", "succeeded"]
    assert type(told[1]) is Event  # one that a newer service adds
    assert told[1].data == {"by": "nobody"}
    assert told[2].job == a_job(status="succeeded")
    assert [seen.header("last-event-id") for seen in server.seen] == [None, "1", "1", "1", "2", "2"]


def test_an_end_that_is_not_told_again_is_looked_up(make_client: MakeClient) -> None:
    answers = (
        events("id: 5\nevent: queued\ndata: {}\n\n"),
        answer(204),
        answer(200, json.dumps(job_document(status="failed")).encode()),
    )
    with rough_server(*answers) as server:
        told = list(make_client(server.url).stream(a_job()))
    assert [event.type for event in told] == ["queued", "failed"]
    assert isinstance(told[1], Ended)
    assert told[1].job.status == "failed"


def test_a_stream_ends_with_what_does_not_pass(make_client: MakeClient) -> None:
    gone = answer(404, json.dumps({"code": "job_not_found", "detail": ""}).encode())
    with rough_server(events("id: 1\nevent: queued\ndata: {}\n\n"), gone) as server:
        stream = make_client(server.url).stream(a_job())
        next(stream)
        with pytest.raises(errors.JobNotFound):
            next(stream)
    with rough_server(CUT) as server, pytest.raises(errors.CannotConnect):
        list(make_client(server.url, outage_seconds=0.1).stream(a_job()))


def test_waits_and_streams_outlive_a_service_that_is_killed(valkey_socket: Path, tmp_path: Path) -> None:
    redis_url = f"unix://{valkey_socket}?db=13"
    service = start_service(redis_url, tmp_path)
    again = None
    told: dict[str, list[Event]] = {"sync": [], "async": []}

    def listen(job_id: str) -> None:
        with Darkroom(service.url) as client:
            told["sync"].extend(client.stream(job_id))

    async def listen_too(job_id: str) -> None:
        async with AsyncDarkroom(service.url) as client:
            async for event in client.stream(job_id):
                told["async"].append(event)

    async def wait_too(job_id: str) -> Any:
        async with AsyncDarkroom(service.url) as client:
            return await client.wait(job_id)

    try:
        with (
            redis.Redis.from_url(redis_url, decode_responses=True) as redis_client,
            Darkroom(service.url) as client,
            ThreadPoolExecutor() as pool,
        ):
            moves, job_id = Moves(redis_client), client.submit("a fox").id

            def progress_is_told() -> bool:
                moves.progress(job_id, 1, 2)  # again and again: the lease is to outlive a slow start
                return all(len(events) == 3 for events in told.values())

            waiting = [pool.submit(client.wait, job_id), pool.submit(lambda: asyncio.run(wait_too(job_id)))]
            listening = [pool.submit(listen, job_id), pool.submit(lambda: asyncio.run(listen_too(job_id)))]
            moves.claim()
            wait_until(lambda: all(len(events) == 2 for events in told.values()))
            end(service.process, signal.SIGKILL)
            moves.progress(job_id, 1, 2)
            own = variables(redis_url=redis_url, data_dir=str(tmp_path), port=str(urlsplit(service.url).port))
            again = start_module("service", own)
            wait_until(progress_is_told, 30)
            moves.finish(job_id)
            assert [each.result(30).status for each in waiting] == ["succeeded"] * 2
            for each in listening:
                each.result(30)
            assert [event.type for event in told["sync"]] == ["queued", "running", "progress", "succeeded"]
            assert told["async"] == told["sync"] == list(client.stream(job_id))
    finally:
        stop_service(service)
        if again:
            end(again)
