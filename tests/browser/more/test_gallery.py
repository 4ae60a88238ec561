"""The gallery: found again, gone through, compared and deleted, with a worker that draws at once."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser.conftest import OpenPage, running_stub
from tests.browser.playground import Playground
from tests.conftest import ROOT, wait_until
from tests.service.conftest import Service

MODEL = """
[[models]]
id = "{id}"
source = "{source}"
[models.defaults]
width = 128
height = 128
num_inference_steps = 20
guidance_scale = 4.0
scheduler = "DDIM"
[models.limits]
width = 512
height = 512
pixels = 262144
num_inference_steps = 100
num_images_per_prompt = 8
"""
LONG = "steps 2000"
IS_DRAWN = "image => image.complete && image.naturalWidth > 0"


@pytest.fixture(scope="module")
def running(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"unix://{valkey_socket}?db=15"
    folder = tmp_path_factory.mktemp("gallery")
    models = folder / "models.toml"
    models.write_text("".join(MODEL.format(id=each, source=ROOT / "models/pocket") for each in ("pocket", "other")))
    with running_stub(url, folder / "data", DARKROOM_MODELS=str(models)) as service:
        yield service


def ended(stub: Service, **parameters: Any) -> dict[str, Any]:
    job = stub.submit(**parameters)
    document: dict[str, Any] = stub.http.get(f"/jobs/{job['id']}?wait=30").json()
    assert document["completed_at"]
    return document


def tiles(playground: Playground) -> Locator:
    return playground.page.locator(".gallery li")


def tile(playground: Playground, prompt: str) -> Locator:
    shown = playground.page.get_by_role("button", name=re.compile(f"{re.escape(prompt)}$"))
    return tiles(playground).filter(has=shown)


def opened(playground: Playground, prompt: str) -> Locator:
    """The dialog of that tile."""
    tile(playground, prompt).get_by_role("button").click()
    return playground.page.get_by_role("dialog")


def is_drawn(image: Locator) -> None:
    wait_until(lambda: image.evaluate(IS_DRAWN), 20)


def test_jobs_are_found_by_model_status_and_label(stub: Service, open_page: OpenPage) -> None:
    ended(stub, prompt="of the course", labels={"course": "noise", "week": "2"})
    ended(stub, prompt="of another course", labels={"course": "form", "week": "2"})
    ended(stub, prompt="of the next week", labels={"course": "noise", "week": "3"})
    ended(stub, prompt="of another model", model="other")
    ended(stub, prompt="fail")
    playground = open_page(f"{stub.url}/#gallery")
    expect(tiles(playground)).to_have_count(5)

    def finds(*prompts: str) -> None:
        expect(tiles(playground)).to_have_count(len(prompts))
        for prompt in prompts:
            expect(tile(playground, prompt)).to_be_visible()

    playground.field("Status").select_option("failed")
    finds("fail")
    playground.field("Status").select_option("Any")
    playground.field("Model").select_option("other")
    finds("of another model")
    playground.field("Status").select_option("failed")
    finds()
    expect(playground.page.get_by_text("Nothing here yet.")).to_be_visible()
    playground.field("Status").select_option("Any")
    playground.field("Model").select_option("Any")
    finds("of the course", "of another course", "of the next week", "of another model", "fail")
    playground.field("Label").fill("week:2")
    playground.page.keyboard.press("Enter")
    finds("of the course", "of another course")
    playground.field("Label").fill("week:2, course:noise")
    playground.page.keyboard.press("Enter")
    finds("of the course")
    playground.field("Label").fill("noise")
    playground.page.keyboard.press("Enter")
    expect(playground.page.get_by_text("must be a name and a value")).to_be_visible()
    finds("of the course")
    playground.field("Label").fill("")
    playground.page.keyboard.press("Enter")
    finds("of the course", "of another course", "of the next week", "of another model", "fail")


def test_all_jobs_come_by_scrolling_and_none_twice(stub: Service, open_page: OpenPage) -> None:
    jobs = [stub.submit(prompt=f"picture {number}") for number in range(60)]
    stub.http.get(f"/jobs/{jobs[-1]['id']}?wait=30")
    playground = open_page(f"{stub.url}/#gallery", viewport={"width": 400, "height": 600})
    expect(tiles(playground)).to_have_count(24)

    def scrolled() -> bool:
        playground.page.mouse.wheel(0, 3000)
        return not playground.button("More").count()

    wait_until(scrolled, 30)
    shown = tiles(playground).get_by_role("img").evaluate_all("images => images.map(image => image.alt)")
    assert shown == [f"picture {number}" for number in reversed(range(60))]


def test_all_jobs_come_by_the_button(stub: Service, open_page: OpenPage) -> None:
    jobs = [stub.submit(prompt=f"picture {number}") for number in range(50)]
    stub.http.get(f"/jobs/{jobs[-1]['id']}?wait=30")
    playground = open_page("about:blank")
    # As in a browser that tells nobody what is seen.
    playground.page.add_init_script("IntersectionObserver = class { observe() {} disconnect() {} }")
    playground.page.goto(f"{stub.url}/#gallery")
    for count in (24, 48):
        expect(tiles(playground)).to_have_count(count)
        playground.button("More").focus()
        playground.page.keyboard.press("Enter")
    expect(tiles(playground)).to_have_count(50)
    expect(playground.button("More")).to_have_count(0)


def test_a_job_is_deleted_after_a_question(stub: Service, open_page: OpenPage) -> None:
    job = ended(stub, prompt="a fox")
    ended(stub, prompt="a hippo")
    path = f"/jobs/{job['id']}"
    playground = open_page(f"{stub.url}/#gallery")
    dialog = opened(playground, "a fox")
    dialog.get_by_role("button", name="Delete").click()
    question = playground.page.get_by_role("dialog", name="Delete this job and its 1 picture, for ever?")
    question.get_by_role("button", name="Keep").click()
    expect(question).to_have_count(0)
    assert stub.http.get(path).status_code == 200
    dialog.get_by_role("button", name="Delete").click()
    question.get_by_role("button", name="Delete").click()
    expect(tile(playground, "a fox")).to_have_count(0)
    expect(tile(playground, "a hippo")).to_be_visible()
    expect(playground.page.get_by_role("dialog")).to_have_count(0)
    assert stub.http.get(path).status_code in (404, 410)
    playground.page.reload()
    expect(tile(playground, "a hippo")).to_be_visible()
    expect(tiles(playground)).to_have_count(1)


def test_a_failed_job_says_why_and_is_deleted(stub: Service, open_page: OpenPage) -> None:
    job = ended(stub, prompt="fail")
    playground = open_page(f"{stub.url}/#gallery")
    dialog = opened(playground, "fail")
    expect(dialog).to_contain_text(job["error"]["detail"])
    dialog.get_by_role("button", name="Delete").click()
    question = playground.page.get_by_role("dialog", name="Delete this job, for ever?")
    question.get_by_role("button", name="Delete").click()
    expect(tiles(playground)).to_have_count(0)
    assert stub.http.get(f"/jobs/{job['id']}").status_code in (404, 410)


def test_what_is_deleted_is_not_shown_in_the_create_view_either(stub: Service, open_page: OpenPage) -> None:
    playground = open_page(stub.url)
    playground.reach(playground.ask_for("a fox"), "succeeded")
    playground.page.get_by_role("link", name="Gallery").click()
    opened(playground, "a fox").get_by_role("button", name="Delete").click()
    playground.button("Delete").last.click()
    expect(tiles(playground)).to_have_count(0)
    playground.page.get_by_role("link", name="Create").click()
    expect(playground.button("Generate Ctrl Enter")).to_be_visible()
    expect(playground.cards).to_have_count(0)


def test_two_are_compared_by_what_differs(stub: Service, open_page: OpenPage) -> None:
    same = {"scheduler": "DDIM", "num_inference_steps": 7}
    jobs = [
        ended(stub, prompt="a fox", seed=1, guidance_scale=4.0, **same),
        ended(stub, prompt="a hippo", seed=2, guidance_scale=4.0, **same),
    ]
    playground = open_page(f"{stub.url}/#gallery")
    compare = playground.button("Compare two")
    expect(compare).to_be_disabled()
    tile(playground, "a fox").get_by_label("Compare").check()
    expect(compare).to_be_disabled()
    tile(playground, "a hippo").get_by_label("Compare").check()
    compare.click()
    dialog = playground.page.get_by_role("dialog", name="Side by side")
    for job in jobs:
        image = dialog.get_by_role("img", name=job["parameters"]["prompt"])
        is_drawn(image)
        assert playground.image_bytes(image) == stub.http.get(job["images"][0]["url"]).content
    rows = dialog.get_by_role("row").evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent))")
    assert rows == [["prompt", "a fox", "a hippo"], ["seed", "1", "2"]]


def test_one_that_is_deleted_or_filtered_away_is_not_compared(stub: Service, open_page: OpenPage) -> None:
    for prompt in ("a fox", "a hippo", "a penguin"):
        ended(stub, prompt=prompt)
    playground = open_page(f"{stub.url}/#gallery")
    compare = playground.button("Compare two")
    for prompt in ("a fox", "a hippo"):
        tile(playground, prompt).get_by_label("Compare").check()
    opened(playground, "a fox").get_by_role("button", name="Delete").click()
    playground.button("Delete").last.click()
    expect(tiles(playground)).to_have_count(2)
    expect(compare).to_be_disabled()
    tile(playground, "a penguin").get_by_label("Compare").check()
    expect(compare).to_be_enabled()
    playground.field("Status").select_option("failed")
    expect(tiles(playground)).to_have_count(0)
    expect(compare).to_be_disabled()
    playground.field("Status").select_option("Any")
    expect(tiles(playground)).to_have_count(2)
    expect(tile(playground, "a penguin").get_by_label("Compare")).to_be_checked()
    expect(compare).to_be_enabled()


@pytest.mark.parametrize("place", [0, 1])
def test_one_that_has_not_ended_is_followed_in_the_create_view(stub: Service, open_page: OpenPage, place: int) -> None:
    prompts = [LONG, "a fox"]
    jobs = [stub.submit(prompt=prompt) for prompt in prompts]
    wait_until(lambda: stub.http.get(f"/jobs/{jobs[0]['id']}").json()["status"] == "running")
    playground = open_page(f"{stub.url}/#gallery")
    tile(playground, prompts[place]).get_by_role("button").click()
    expect(playground.cards).to_have_count(1)
    card = playground.cards.first
    expect(card).to_have_attribute("aria-label", prompts[place])
    expect(card).to_have_attribute("data-status", "queued" if place else "running")
    stub.http.post(f"/jobs/{jobs[0]['id']}/cancel")
    playground.reach(card, "succeeded" if place else "canceled")


def test_one_that_is_followed_already_is_not_shown_twice(stub: Service, open_page: OpenPage) -> None:
    playground = open_page(stub.url)
    playground.reach(playground.ask_for(LONG), "running")
    playground.page.get_by_role("link", name="Gallery").click()
    tile(playground, LONG).get_by_role("button").click()
    expect(playground.button("Generate Ctrl Enter")).to_be_visible()
    expect(playground.cards).to_have_count(1)


def test_the_pictures_of_one_job_are_turned_by_the_arrow_keys(stub: Service, open_page: OpenPage) -> None:
    job = ended(stub, prompt="a fox", num_images_per_prompt=3, seed=5)
    playground = open_page(f"{stub.url}/#gallery")
    expect(tile(playground, "a fox")).to_contain_text("3 pictures")
    dialog = opened(playground, "a fox")

    def shows(place: int) -> None:
        expect(dialog).to_contain_text(f"{place + 1} of 3, seed {5 + place}")
        is_drawn(dialog.get_by_role("img"))
        assert playground.image_bytes(dialog.get_by_role("img")) == stub.http.get(job["images"][place]["url"]).content

    shows(0)
    for key, place in (("Right", 1), ("Right", 2), ("Right", 2), ("Left", 1), ("Left", 0), ("Left", 0)):
        playground.page.keyboard.press(f"Arrow{key}")
        shows(place)
    dialog.get_by_role("button", name="Next").click()
    shows(1)
    # In what lies above it they are those of a text.
    playground.button("Copy as…").click()
    playground.page.get_by_label("Code").focus()
    playground.page.keyboard.press("ArrowRight")
    playground.page.keyboard.press("Escape")
    expect(dialog).to_have_count(1)
    shows(1)
    playground.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_picture_that_could_not_be_fetched_is_asked_for_again(stub: Service, open_page: OpenPage) -> None:
    ended(stub, prompt="a fox")
    playground = open_page("about:blank")
    playground.page.route("**/images/**", lambda route: route.abort(), times=2)
    playground.page.goto(f"{stub.url}/#gallery")
    is_drawn(tile(playground, "a fox").get_by_role("img"))


def test_a_service_that_fails_is_told_of_and_asked_again_after_a_while(stub: Service, open_page: OpenPage) -> None:
    ended(stub, prompt="a fox")
    playground = open_page("about:blank")
    page = playground.page
    failed: list[float] = []

    def fail(route: Route) -> None:
        failed.append(time.monotonic())
        route.fulfill(status=500, body=json.dumps({"detail": "Something broke."}))

    page.route("**/jobs?*", fail, times=2)
    page.goto(f"{stub.url}/#gallery")
    expect(page.get_by_role("alert").filter(has_text="Something broke.")).to_be_visible()
    expect(tile(playground, "a fox")).to_be_visible()
    expect(page.get_by_text("Something broke.")).to_have_count(0)
    first, second = failed
    assert second - first > 1
