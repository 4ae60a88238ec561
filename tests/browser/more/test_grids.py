"""Grids, with the bundled model: what steps and guidance do, at one seed."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.playground import Playground
from tests.conftest import wait_until
from tests.integration.conftest import Serve


@pytest.fixture
def playground(serve: Serve, open_page: OpenPage) -> Playground:
    playground = open_page(str(serve.http.base_url))
    playground.field("Prompt").fill("a photo of a fox")
    return playground


def test_a_grid_with_one_click_fills_in(serve: Serve, playground: Playground) -> None:
    playground.button("Steps × guidance").click()
    card = playground.cards.first
    counts = set()
    while card.get_attribute("data-status") != "ended":
        counts.add(card.get_by_role("img").count())
    assert len(counts) > 3
    assert card.get_by_role("img").count() == 36
    header = card.get_by_role("row").first.get_by_role("columnheader")
    assert [each.inner_text() for each in header.all()[1:]] == ["1", "5", "10", "20", "28", "50"]
    assert len(card.get_by_text(re.compile(r"^[0-9.]+ s$")).all()) == 36
    (grid,) = serve.http.get("/grids").json()["grids"]
    jobs = serve.http.get("/jobs", params={"limit": 100}).json()["jobs"]
    assert {job["parameters"]["seed"] for job in jobs} == {int(playground.field("Seed").input_value())}
    with playground.page.expect_download() as download:
        card.get_by_role("link", name="Download the sheet").click()
    sheet = Image.open(BytesIO(download.value.path().read_bytes()))
    assert sheet.width > 6 * 128
    assert sheet.height > 6 * 128
    assert grid["counts"]["succeeded"] == 36
    card.get_by_role("img").last.click()
    dialog = playground.page.get_by_role("dialog", name="Picture")
    assert "50 steps · guidance 20" in dialog.inner_text()
    dialog.get_by_role("button", name="Reuse all").click()
    expect(playground.field("Steps")).to_have_value("50")
    expect(playground.field("Guidance")).to_have_value("20")


def test_a_grid_is_stopped_with_all_its_cells(serve: Serve, playground: Playground) -> None:
    playground.field("Steps").fill("100")
    playground.button("Scheduler × seed").click()
    card = playground.cards.first
    expect(card.get_by_role("row")).to_have_count(5)
    wait_until(lambda: card.get_by_role("img").count() > 0, 30)
    card.get_by_role("button", name="Stop all").click()
    playground.reach(card, "ended")
    (grid, *_) = serve.http.get("/grids").json()["grids"]
    assert grid["counts"]["canceled"] > 10
    assert card.get_by_text("canceled").count() >= grid["counts"]["canceled"]


def test_a_reload_finds_the_grid_again(playground: Playground) -> None:
    playground.field("Steps").fill("100")
    playground.button("Scheduler × seed").click()
    expect(playground.cards.first.get_by_role("row")).to_have_count(5)
    playground.page.reload()
    expect(playground.cards.first.get_by_role("row")).to_have_count(5)
    playground.page.keyboard.press("Escape")
    playground.reach(playground.cards.first, "ended")
    assert playground.cards.count() == 1


def test_other_axes_say_what_is_wrong_with_them(serve: Serve, playground: Playground) -> None:
    playground.page.get_by_text("Other axes").click()
    across, down = playground.field("Values").all()
    across.fill("1, 200")
    playground.button("Make this grid").click()
    expect(across).to_be_focused()
    expect(playground.page.get_by_text("Values: 200 must be a whole number, 1 to 100.")).to_be_visible()
    before = len(serve.http.get("/grids").json()["grids"])
    across.fill("1, 2")
    playground.field("Down").select_option("guidance_scale")
    down.fill("1, 3.5, 7")
    playground.button("Make this grid").click()
    card = playground.reach(playground.cards.first, "ended")
    assert card.get_by_role("img").count() == 6
    assert len(serve.http.get("/grids").json()["grids"]) == before + 1
