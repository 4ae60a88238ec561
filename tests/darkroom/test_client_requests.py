"""What is asked, of whom and how often: without a service."""

import logging
import subprocess
import sys
import time
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent

import darkroom
from darkroom import AsyncDarkroom, Darkroom
from darkroom.client import errors
from darkroom.client.events import Listening
from darkroom.client.exchange import Pause, Request, error_of
from darkroom.client.listing import NO_LABELS, Listing, Page
from darkroom.client.tries import Tries
from darkroom.client.verbs import Verbs
from service.routes.events import PING_SECONDS
from tests.darkroom.documents import a_job, job_document, problem
from tests.darkroom.rough_server import CUT, answer, rough_server

KEY = "dk_not-to-be-seen"
VERBS = Verbs(timeout_seconds=30, max_retries=2, outage_seconds=300, poll_seconds=50)
GONE = httpx.ConnectError("refused")


def steps(exchange: Generator[Request | Pause, Any, Any], *replies: Any) -> list[Request | Pause]:
    """What an exchange yields on the way through these replies, and on to the request after the last."""
    return [next(exchange), *steps_on(exchange, *replies)]


def steps_on(exchange: Generator[Request | Pause, Any, Any], *replies: Any) -> list[Request | Pause]:
    """The same, of an exchange that waits for the first of these replies."""
    seen: list[Request | Pause] = []
    for reply in replies:
        seen.append(exchange.send(reply))
        while isinstance(seen[-1], Pause):
            seen.append(exchange.send(None))
    return seen


def queued() -> httpx.Response:
    return httpx.Response(200, json=job_document())


def test_a_wait_is_made_of_requests_that_end_before_the_service_or_a_proxy_ends_them() -> None:
    asked = [step for step in steps(VERBS.wait(a_job(), None), queued(), queued()) if isinstance(step, Request)]
    assert [step.query for step in asked] == [[("wait", "50")]] * 3
    assert asked[0].read_seconds == 80
    first = next(VERBS.wait(a_job(), 12))
    assert isinstance(first, Request)
    assert 11 < float(dict(first.query)["wait"]) <= 12


def test_a_request_has_its_own_time_to_read_and_the_client_s_to_connect() -> None:
    own = httpx.Timeout(30, connect=10)
    assert Request("GET", "/").arguments(own)["timeout"] == own
    assert Request("GET", "/", read_seconds=80).arguments(own)["timeout"] == httpx.Timeout(30, connect=10, read=80)


def test_a_service_that_holds_no_answer_is_asked_once_a_second() -> None:
    pauses = [step for step in steps(VERBS.wait(a_job(), None), queued(), queued()) if isinstance(step, Pause)]
    assert all(0.9 < pause.seconds <= 1 for pause in pauses)


def test_a_wait_of_no_time_asks_once() -> None:
    exchange = VERBS.wait(a_job(), 0)
    assert isinstance(next(exchange), Request)
    with pytest.raises(errors.WaitTimeout) as caught:
        exchange.send(queued())
    assert caught.value.job == a_job()


def test_what_has_ended_is_not_asked_for() -> None:
    job = a_job(status="canceled")
    with pytest.raises(StopIteration) as end:
        next(VERBS.wait(job, None))
    assert end.value.value == job


def test_a_wait_bears_an_outage_and_then_raises_what_it_was() -> None:
    patient = steps(VERBS.wait(a_job(), None), *[GONE] * 20)
    assert len([step for step in patient if isinstance(step, Request)]) >= 10
    impatient = Verbs(30, 2, 0, 50).wait(a_job(), None)
    next(impatient)
    with pytest.raises(errors.CannotConnect):
        impatient.send(GONE)


def test_an_outage_begins_when_the_service_was_last_heard() -> None:
    patience = Verbs(30, 2, outage_seconds=0.1, poll_seconds=50)
    waiting = patience.wait(a_job(), None)
    steps(waiting, GONE)
    time.sleep(0.1)
    assert isinstance(steps_on(waiting, queued(), GONE)[-1], Request)
    listening = Listening("/jobs/1", False, lambda: Tries(seconds=0.1))
    for _ in range(2):
        assert isinstance(next(listening.go_on(GONE)), Pause)
        time.sleep(0.1)
        listening.heard(ServerSentEvent(retry=1000))


def test_a_wait_that_is_over_in_an_outage_says_that_it_is_over() -> None:
    exchange = VERBS.wait(a_job(), 0)
    next(exchange)
    with pytest.raises(errors.WaitTimeout) as caught:
        exchange.send(GONE)
    assert isinstance(caught.value.__cause__, errors.CannotConnect)


@pytest.mark.parametrize(
    "wait", [lambda: VERBS.wait("1", None), lambda: VERBS.images("1"), lambda: VERBS.listening("1", False)]
)
def test_a_job_that_nobody_has_seen_is_not_waited_for_through_an_outage(wait: Any) -> None:
    exchange = wait()
    assert len([step for step in steps(exchange, GONE, GONE) if isinstance(step, Request)]) == 3
    with pytest.raises(errors.CannotConnect):
        exchange.send(GONE)


def test_a_service_that_is_not_ready_says_how_it_stands() -> None:
    exchange = VERBS.readiness()
    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(httpx.Response(503, json={"status": "unavailable"}))
    assert end.value.value == {"status": "unavailable"}


def test_no_pause_is_longer_than_the_wait() -> None:
    exchange = VERBS.wait(a_job(), 5)
    next(exchange)
    later = problem(503, "queue_full")
    later.headers["Retry-After"] = "30"
    pause = exchange.send(later)
    assert isinstance(pause, Pause)
    assert 4 < pause.seconds <= 5


def test_a_job_that_is_gone_is_not_waited_for() -> None:
    exchange = VERBS.wait(a_job(), None)
    next(exchange)
    with pytest.raises(errors.JobExpired):
        exchange.send(problem(410, "job_expired"))


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_may_pass_is_tried_again_so_often_and_no_more(status: int) -> None:
    tries, error = Tries(most=3), error_of(problem(status, "x"))
    assert 0 <= tries.pause_after(error) <= 0.5
    assert 0 <= tries.pause_after(error) <= 1
    with pytest.raises(type(error)):
        tries.pause_after(error)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 410, 422, 500, 507, 308])
def test_what_does_not_pass_is_raised_at_once(status: int) -> None:
    error = error_of(problem(status, "x"))
    with pytest.raises(errors.Problem):
        Tries().pause_after(error)


def test_retry_after_is_obeyed_or_the_error_says_it() -> None:
    answered = problem(429, "rate_exceeded")
    answered.headers["Retry-After"] = "60"
    assert 60 <= Tries().pause_after(error_of(answered)) <= 60.5
    answered.headers["Retry-After"] = "61"
    with pytest.raises(errors.RateExceeded) as caught:
        Tries().pause_after(error_of(answered))
    assert caught.value.retry_after_seconds == 61


def test_pauses_grow_to_eight_seconds_however_many_there_are() -> None:
    tries, error = Tries(), error_of(GONE)
    pauses = [tries.pause_after(error) for _ in range(2000)]
    assert max(pauses) <= 8
    assert max(pauses[20:]) > 4


def test_a_picture_that_is_said_to_be_elsewhere_is_not_fetched() -> None:
    for url in (
        "https://elsewhere.example/0.png",
        "//elsewhere.example/0.png",
        "images/0.png",
        "/\n",
        "/" + "a" * 70_000,
    ):
        picture = darkroom.client.records.GeneratedImage.model_construct(url=url)
        with pytest.raises(errors.UnexpectedAnswer):
            next(VERBS.image(picture, None, None))


def test_no_id_leads_to_another_address() -> None:
    asked = next(VERBS.delete("../grids/1?x#y"))
    assert isinstance(asked, Request)
    assert asked.path == "/jobs/..%2Fgrids%2F1%3Fx%23y"


def test_a_job_that_a_lost_answer_deleted_is_deleted() -> None:
    exchange = VERBS.delete("1")
    steps(exchange, GONE)
    with pytest.raises(StopIteration):
        exchange.send(problem(404, "job_not_found"))
    once = VERBS.delete("1")
    next(once)
    with pytest.raises(errors.JobNotFound):
        once.send(problem(404, "job_not_found"))


def test_an_option_that_there_is_not_is_sent_nowhere() -> None:
    with pytest.raises(TypeError, match="'stepz'"):
        next(VERBS.submit("a fox", None, {"stepz": 1}))
    with pytest.raises(TypeError, match="'stepz'"):
        next(VERBS.grid({"prompt": "a fox", "stepz": 1}, darkroom.Axis(parameter="seed", values=[1]), None, None))


def test_what_is_none_is_left_out() -> None:
    asked = next(VERBS.submit("a fox", None, {"seed": None, "width": 64}))
    assert isinstance(asked, Request)
    assert asked.body == {"prompt": "a fox", "width": 64}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "é"])
def test_an_idempotency_key_that_no_header_can_hold_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        next(VERBS.submit("a fox", key, {}))


def test_a_list_is_read_no_further_than_it_is_wanted() -> None:
    listing = Listing("failed", "pocket", {"a": "b:c"}, 70)
    fixed = [("status", "failed"), ("model", "pocket"), ("label", "a:b:c")]
    assert listing.query == [*fixed, ("limit", "50")]
    listing.turn(Page(jobs=[a_job()] * 50, next_cursor="c"))
    assert listing.query == [*fixed, ("limit", "20"), ("cursor", "c")]
    listing.turn(Page(jobs=[], next_cursor="d"))  # few of very many match
    assert not listing.over
    listing.turn(Page(jobs=[a_job()] * 20, next_cursor="e"))
    assert listing.over
    assert Listing((), None, NO_LABELS, 0).over


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://h",
        "http://",
        "http://u:p@h",
        "http://h?x=1",
        "http://h#x",
        "http://h\n",
        "http://h:x",
        "http://[",
        "http://h..h",
        "http://-h",
        "http://h h",
        f"http://{'h' * 64}",
    ],
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Darkroom(url)


@pytest.mark.parametrize("arguments", [{"poll_seconds": 0}, {"poll_seconds": 61}])
def test_a_poll_that_the_service_does_not_hold_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="poll_seconds"):
        Darkroom("http://h", **arguments)


def test_the_environment_says_what_no_argument_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with Darkroom() as client:
        assert client.base_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("DARKROOM_API_KEY", KEY)
    with rough_server(answer(204)) as server:
        monkeypatch.setenv("DARKROOM_URL", f"{server.url}/")
        for arguments in ({}, {"api_key": "dk_other"}, {"api_key": ""}):
            with Darkroom(**arguments) as client:
                client.delete("1")
    assert [seen.header("authorization") for seen in server.seen] == [f"Bearer {KEY}", "Bearer dk_other", None]


@pytest.mark.parametrize("end", ["", "/"])
def test_the_service_may_be_below_a_path(end: str) -> None:
    with rough_server(answer(200, b"picture")) as server, Darkroom(f"{server.url}/pictures/here{end}") as client:
        picture = darkroom.client.records.GeneratedImage.model_construct(url="/images/1/0.png")
        assert client.image(picture, output_format="webp", width=64) == b"picture"
    assert server.seen[0].text.startswith("GET /pictures/here/images/1/0.webp?width=64 HTTP/1.1\r\n")


@pytest.mark.parametrize("key", ["a b", "a\n", "é", "a\x00"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        Darkroom("http://h", f"{KEY}{key}")
    assert KEY not in str(caught.value)


def test_the_key_stands_in_no_error_no_repr_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    elsewhere = answer(307, Location="http://127.0.0.1:9/elsewhere")
    with rough_server(answer(401, b"{}"), elsewhere, CUT) as server, Darkroom(server.url, KEY, max_retries=0) as client:
        assert repr(client) == f"Darkroom({server.url!r})"
        shown = [repr(client), repr(vars(client))]
        for _ in range(3):
            with pytest.raises(errors.DarkroomError) as caught:
                client.job("1")
            shown += [repr(caught.value), str(caught.value), repr(caught.value.__cause__)]
    assert [seen.header("authorization") for seen in server.seen] == [f"Bearer {KEY}"] * 3
    assert caplog.text
    assert KEY not in "".join([*shown, caplog.text])


def test_no_proxy_comes_between_the_client_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with rough_server(answer(204)) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        with Darkroom(server.url, max_retries=0) as client:
            client.delete("1")
        with Darkroom("http://darkroom.example", max_retries=0) as client, pytest.raises(errors.CannotConnect):
            client.delete("1")  # by the proxy, which is not there
    assert len(server.seen) == 1


def test_a_proxy_of_the_environment_is_used_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    with rough_server(answer(204)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with Darkroom("http://darkroom.example") as client:
            client.delete("1")
    assert proxy.seen[0].text.startswith("DELETE http://darkroom.example/jobs/1 ")


def test_what_answers_may_not_be_darkroom() -> None:
    said = pytest.raises(errors.UnexpectedAnswer, match="not Darkroom")
    with rough_server(answer(200, b"<html>")) as server, Darkroom(server.url) as client, said:
        client.job("1")


def test_nobody_there_is_said_with_the_address() -> None:
    said = pytest.raises(errors.CannotConnect, match=r"^http://127.0.0.1:9 does not answer: .*refused")
    with Darkroom("http://127.0.0.1:9", max_retries=0) as client, said:
        client.readiness()


def test_both_clients_have_the_same_verbs() -> None:
    own = [{name for name in vars(kind) if not name.startswith("_")} for kind in (Darkroom, AsyncDarkroom)]
    assert own[0] == own[1]


def test_a_stream_is_not_given_up_between_two_pings() -> None:
    exchange = VERBS.listening(a_job(), False)
    with pytest.raises(StopIteration) as end:
        next(exchange)
    assert end.value.value.request.read_seconds > 2 * PING_SECONDS


def test_importing_the_package_alone_loads_no_client() -> None:
    script = (
        "import sys, darkroom; print('httpx' in sys.modules); from darkroom import Darkroom; print(Darkroom.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "Darkroom"]
    with pytest.raises(AttributeError, match="nothing"):
        _ = darkroom.nothing
