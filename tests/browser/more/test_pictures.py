"""What can be done with a picture, with the bundled model: each way back to it gives the same bytes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenPage
from tests.browser.playground import Playground
from tests.conftest import ROOT, wait_until
from tests.integration.conftest import Serve

PROMPT = 'a fox\'s "den" & $HOME `id` \\ <b>blue</b>\nbackground'


@pytest.fixture
def playground(serve: Serve, open_page: OpenPage) -> Playground:
    return open_page(str(serve.http.base_url))


def drawn(playground: Playground, prompt: str, **settings: str) -> Locator:
    return playground.reach(playground.ask_for(prompt, **settings), "succeeded")


def picture(playground: Playground, card: Locator) -> str:
    """The digest of the file that it shows."""
    return hashlib.sha256(playground.image_bytes(card.get_by_role("img").first)).hexdigest()


def latest(playground: Playground, count: int) -> Locator:
    """The newest card, when there are so many and it has its picture."""
    expect(playground.cards).to_have_count(count)
    return playground.reach(playground.cards.first, "succeeded")


def test_a_reused_seed_gives_the_identical_picture(playground: Playground) -> None:
    first, other = (picture(playground, drawn(playground, "a photo of a fox")) for _ in range(2))
    assert first != other
    playground.cards.last.get_by_role("button", name="Reuse seed").click()
    assert playground.field("Keep").is_checked()
    for _ in range(2):  # it is kept for the next one, too
        assert picture(playground, drawn(playground, "a photo of a fox")) == first


def test_everything_is_reused_after_everything_was_changed(playground: Playground) -> None:
    playground.field("Style").select_option("watercolor")
    playground.field("Scheduler").select_option("Euler")
    playground.field("Size").select_option("144x104")
    first = drawn(playground, "a penguin", Steps="7", Guidance="2.5", **{"Negative prompt": "red"})
    before = picture(playground, first)
    playground.field("Style").select_option("")
    drawn(playground, "a hippo", Steps="3", Width="128", Height="128", **{"Negative prompt": ""})
    playground.cards.last.get_by_role("button", name="Reuse all").click()
    expect(playground.field("Prompt")).to_have_value("a penguin")
    playground.button("Generate Ctrl Enter").click()
    assert picture(playground, latest(playground, 3)) == before


def test_a_variation_has_the_next_seed(serve: Serve, playground: Playground) -> None:
    card = drawn(playground, "a fox", Seed="41")
    card.get_by_role("button", name="Vary").click()
    latest(playground, 2)
    newest, oldest = serve.http.get("/jobs", params={"limit": 2}).json()["jobs"]
    assert (oldest["parameters"].pop("seed"), newest["parameters"].pop("seed")) == (41, 42)
    assert newest["parameters"] == oldest["parameters"]


def test_a_picture_that_is_dropped_brings_its_settings_back(playground: Playground, tmp_path: Path) -> None:
    card = drawn(playground, "an oil painting of a penguin", Steps="9", Seed="5")
    before = picture(playground, card)
    with playground.page.expect_download() as download:
        card.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "an-oil-painting-of-a-penguin-5.png"
    file = tmp_path / "penguin.png"
    download.value.save_as(file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    playground.page.reload()
    playground.field("Prompt").fill("something else")
    drop(playground, file)
    expect(playground.field("Prompt")).to_have_value("an oil painting of a penguin")
    expect(playground.page.get_by_text("Settings of penguin.png, by Darkroom")).to_be_visible()
    playground.button("Generate Ctrl Enter").click()
    assert picture(playground, latest(playground, 2)) == before


def drop(playground: Playground, file: Path) -> None:
    playground.page.evaluate(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            const dragged = { bubbles: true, cancelable: true, dataTransfer: transfer };
            for (const type of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(type, dragged));
        }""",
        [file.name, list(file.read_bytes())],
    )


def test_a_file_that_says_nothing_is_told_as_such(playground: Playground, tmp_path: Path) -> None:
    file = tmp_path / "nothing.png"
    file.write_bytes(b"no picture")
    with playground.page.expect_file_chooser() as chooser:
        playground.button("From a picture…").click()
    chooser.value.set_files(file)
    expect(playground.page.get_by_role("alert").filter(has_text="nothing.png")).to_be_visible()


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_what_is_copied_runs_as_it_stands(playground: Playground, tmp_path: Path, language: str) -> None:
    playground.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card = drawn(playground, PROMPT, Seed="77", Steps="4")
    card.get_by_role("button", name="Copy as…").click()
    dialog = playground.page.get_by_role("dialog", name="Copy this request")
    dialog.get_by_role("button", name=language).click()
    dialog.get_by_role("button", name="Copy", exact=True).click()
    expect(dialog.get_by_role("status")).to_have_text("Copied.")
    code = playground.evaluate("navigator.clipboard.readText()")
    assert code == dialog.get_by_label("Code").input_value()
    ran = run(language, code, tmp_path)
    if language == "curl":
        assert picture(playground, card) in ran
    else:
        (file,) = [path for path in tmp_path.iterdir() if path.suffix == ".png"]
        assert (ran.strip(), file.name) == ("77.png", "77.png")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == picture(playground, card)


def run(language: str, code: str, folder: Path) -> str:
    """What it prints."""
    script = folder / {"curl": "script.sh", "Python": "script.py", "JavaScript": "script.mjs"}[language]
    script.write_text(code)
    command = {"curl": "bash", "Python": sys.executable, "JavaScript": "node"}[language]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [command, script.name], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_several_pictures_are_turned_over(playground: Playground) -> None:
    card = drawn(playground, "a fox", Pictures="3", Seed="10", Steps="4")
    images = card.get_by_role("img")
    assert images.count() == 3
    images.nth(1).click()
    dialog = playground.page.get_by_role("dialog", name="Picture")
    expect(dialog.get_by_text("2 of 3, seed 11")).to_be_visible()
    playground.page.keyboard.press("ArrowRight")
    playground.page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text("3 of 3, seed 12")).to_be_visible()
    dialog.get_by_role("button", name="Reuse this seed").click()
    expect(playground.field("Seed")).to_have_value("12")
    expect(dialog).to_have_count(0)
    wait_until(lambda: playground.field("Keep").is_checked())
