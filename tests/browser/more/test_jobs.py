"""Jobs as a visitor follows them, through reloads and restarts, with a worker that obeys its prompts."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Route, expect

from darkroom.settings import variables
from tests.browser.conftest import OpenPage, running_stub
from tests.browser.playground import Playground
from tests.conftest import end, start_module, start_stub, wait_until
from tests.service.conftest import Service

LONG = "steps 400"
"""Takes twenty seconds."""


@pytest.fixture(scope="module")
def redis_url(valkey_socket: Path) -> str:
    return f"unix://{valkey_socket}?db=15"


@pytest.fixture(scope="module")
def running(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_stub(redis_url, tmp_path_factory.mktemp("jobs")) as service:
        yield service


@pytest.fixture(scope="module")
def replacements() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that tests started in place of others that they ended."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        end(process, signal.SIGKILL)


@pytest.fixture
def playground(stub: Service, open_page: OpenPage) -> Playground:
    return open_page(stub.url)


def start_again(service: Service, redis_url: str) -> subprocess.Popen[bytes]:
    """At the same address."""
    port = service.url.rpartition(":")[2]
    return start_module("service", variables(redis_url=redis_url, data_dir=str(service.data_dir), port=port))


def kill(service: Service, replacements: list[subprocess.Popen[bytes]]) -> None:
    """The service, or what was started in its place."""
    again = [process for process in replacements if "service" in process.args]
    end(again[-1] if again else service.process, signal.SIGKILL)


def is_step(card: Locator, step: int) -> bool:
    """Whether it says that so many steps are done, or more."""
    said = re.search(r"Step (\d+) of", card.inner_text())
    return said is not None and int(said[1]) >= step


def test_a_job_shows_its_steps_and_what_emerges(playground: Playground) -> None:
    card = playground.ask_for("steps 60")
    values, previews = playground.watch(card)
    assert len(values) >= 3
    assert values == sorted(values)
    assert len(previews) >= 2
    strip = card.get_by_text(re.compile("Film strip, [0-9]+ steps"))
    strip.click()
    frames = card.get_by_role("listitem").get_by_role("button")
    assert frames.count() > 20
    assert frames.last.get_attribute("aria-label") == "The picture"
    frames.first.click()
    said = card.locator("figcaption")
    assert re.fullmatch("Step [1-9] of 60", said.inner_text())
    card.get_by_label("Step shown").fill("5")
    assert said.inner_text() == frames.nth(5).get_attribute("aria-label")
    playground.button("Play").click()
    expect(said).to_have_text("The picture")


def test_escape_cancels_what_was_submitted_last(stub: Service, playground: Playground) -> None:
    first = playground.reach(playground.ask_for(LONG), "running")
    second = playground.reach(playground.ask_for(LONG), "queued")
    assert "Next in line" in second.inner_text()
    playground.page.keyboard.press("Escape")
    second = playground.reach(playground.cards.first, "canceled")
    first = playground.cards.last
    assert first.get_attribute("data-status") == "running"
    first.get_by_role("button", name="Cancel").click()
    playground.reach(first, "canceled")
    assert [job["status"] for job in stub.http.get("/jobs").json()["jobs"]] == ["canceled", "canceled"]


def test_several_jobs_take_their_turns(playground: Playground) -> None:
    for seed in range(5):
        playground.ask_for(f"steps {20 + seed}")
    playground.reach(playground.cards.first, "queued")
    statuses = "() => [...document.querySelectorAll('article')].map(card => card.dataset.status)"
    wait_until(lambda: playground.evaluate(statuses)[-1] == "running")
    assert "4th in line" in playground.cards.first.inner_text()
    wait_until(lambda: playground.evaluate(statuses) == ["succeeded"] * 5, 30)
    for number in range(5):  # each was watched when its turn came
        assert "Film strip" in playground.cards.nth(number).inner_text()


def test_a_job_that_fails_says_why(playground: Playground) -> None:
    card = playground.reach(playground.ask_for("fail"), "failed")
    assert "generation_failed" in card.inner_text()
    playground.button("Reuse all").click()
    expect(playground.field("Prompt")).to_have_value("fail")


def test_a_withheld_picture_is_told(playground: Playground) -> None:
    card = playground.reach(playground.ask_for("filtered 1", Pictures="3"), "succeeded")
    assert card.get_by_role("img").count() == 2
    assert "withheld" in card.inner_text()


def test_a_reload_finds_the_job_again(stub: Service, playground: Playground) -> None:
    playground.reach(playground.ask_for("steps 100"), "running")
    playground.page.reload()
    card = playground.reach(playground.cards.first, "running")
    wait_until(lambda: card.locator(".preview").count() == 1)
    playground.reach(card, "succeeded")
    assert len(stub.http.get("/jobs").json()["jobs"]) == 1
    assert playground.cards.count() == 1
    expect(playground.field("Prompt")).to_have_value("steps 100")


def test_a_reload_while_the_answer_is_on_its_way_makes_no_second_job(stub: Service, playground: Playground) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        route.fetch()  # the service takes it, and its answer is lost
        held.append(route)

    playground.page.route("**/generate", hold)
    playground.field("Prompt").fill("steps 20")
    playground.page.keyboard.press("Control+Enter")
    wait_until(lambda: playground.page.wait_for_timeout(20) or held)
    playground.page.unroute("**/generate")
    playground.page.reload()
    playground.reach(playground.cards.first, "succeeded")
    assert playground.cards.count() == 1
    assert len(stub.http.get("/jobs").json()["jobs"]) == 1


def test_the_service_starts_again_in_the_middle(
    running: Service, redis_url: str, replacements: list[subprocess.Popen[bytes]], playground: Playground
) -> None:
    first = playground.reach(playground.ask_for("steps 100"), "running")
    wait_until(lambda: is_step(first, 5))
    kill(running, replacements)
    outage = playground.page.get_by_role("alert").filter(has_text="does not answer")
    expect(outage).to_be_visible()
    late = playground.ask_for("steps 21")  # nobody is there to take it
    assert late.get_attribute("data-status") == "submitting"
    replacements.append(start_again(running, redis_url))
    for prompt in ("steps 100", "steps 21"):
        playground.reach(playground.page.get_by_role("article", name=prompt), "succeeded", 60)
    expect(outage).to_have_count(0)
    assert len(running.http.get("/jobs").json()["jobs"]) == 2


def test_a_cancel_outlives_an_outage(
    running: Service, redis_url: str, replacements: list[subprocess.Popen[bytes]], playground: Playground
) -> None:
    playground.reach(playground.ask_for(LONG), "running")
    kill(running, replacements)
    playground.page.keyboard.press("Escape")
    expect(playground.button("Canceling…")).to_be_disabled()
    replacements.append(start_again(running, redis_url))
    playground.reach(playground.cards.first, "canceled")


def test_a_key_that_is_held_counts_once(playground: Playground) -> None:
    playground.field("Prompt").fill(LONG)
    for key in ("Control+Enter", "Escape"):
        playground.page.keyboard.down(key.split("+")[0])
        for _ in range(5):  # each but the first is a repeat
            playground.page.keyboard.down(key.split("+")[-1])
        for each in key.split("+"):
            playground.page.keyboard.up(each)
        if key != "Escape":
            expect(playground.cards).to_have_count(1)
            playground.ask_for(LONG)
    expect(playground.button("Cancel Esc")).to_have_count(1)
    assert playground.cards.count() == 2


def test_a_gallery_does_not_press_a_service_that_is_away(
    running: Service, redis_url: str, replacements: list[subprocess.Popen[bytes]], playground: Playground
) -> None:
    playground.reach(playground.ask_for("instant"), "succeeded")
    kill(running, replacements)
    asked: list[str] = []
    playground.page.on("request", lambda request: asked.append(request.url))
    playground.page.get_by_role("link", name="Gallery").click()
    expect(playground.page.get_by_role("alert").filter(has_text="does not answer").first).to_be_visible()
    playground.page.wait_for_timeout(3000)
    assert len(asked) < 15
    replacements.append(start_again(running, redis_url))
    expect(playground.page.get_by_role("img", name="instant")).to_be_visible()


def test_a_worker_that_dies_is_told_as_another_attempt(
    stub: Service, redis_url: str, replacements: list[subprocess.Popen[bytes]], playground: Playground
) -> None:
    card = playground.reach(playground.ask_for("steps 100"), "running")
    wait_until(lambda: is_step(card, 40))
    (worker,) = stub.http.get("/readyz").json()["workers"]
    os.kill(worker["pid"], signal.SIGKILL)
    expect(card.get_by_text("No worker is ready")).to_be_visible(timeout=40_000)
    replacements.append(start_stub(redis_url, stub.data_dir))
    wait_until(lambda: "2nd attempt" in card.inner_text() and not is_step(card, 40), 30)
    playground.reach(card, "succeeded")
    assert "2 attempts" in card.inner_text()


def test_what_is_put_away_is_kept_by_the_service(stub: Service, playground: Playground) -> None:
    card = playground.reach(playground.ask_for("instant"), "succeeded")
    card.get_by_role("button", name="Put away").click()
    expect(playground.cards).to_have_count(0)
    playground.page.reload()
    expect(playground.field("Prompt")).to_be_visible()
    assert playground.cards.count() == 0
    assert len(stub.http.get("/jobs").json()["jobs"]) == 1


def test_a_job_that_somebody_deletes_is_gone(stub: Service, playground: Playground) -> None:
    card = playground.reach(playground.ask_for("instant"), "succeeded")
    card.get_by_role("button", name="Delete").click()
    playground.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(playground.cards).to_have_count(0)
    assert stub.http.get("/jobs").json()["jobs"] == []
