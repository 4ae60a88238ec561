"""A service with keys, as its owners and strangers see it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from service.access.key_file import KeyLimits
from service.keys import add, revoke
from tests.browser.conftest import OpenPage, running_stub
from tests.browser.playground import Playground
from tests.conftest import wait_until
from tests.service.conftest import Service

GENERATE = "Generate Ctrl Enter"
IS_DRAWN = "image => image.complete && image.naturalWidth > 0"
EXPIRED = "expires=1000000000"


@dataclass(frozen=True)
class Keyed:
    service: Service
    file: Path
    alice: str
    bob: str

    def takes(self, key: str) -> bool:
        return self._as(key, "GET", "/models").status_code == 200

    def jobs(self, key: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._as(key, "GET", "/jobs").json()["jobs"]
        return listed

    def drawn(self, key: str, prompt: str, **parameters: Any) -> dict[str, Any]:
        job = self._as(key, "POST", "/generate", {"prompt": prompt} | parameters).json()
        document: dict[str, Any] = self._as(key, "GET", f"/jobs/{job['id']}?wait=30").json()
        assert document["status"] == "succeeded"
        return document

    def cancel(self, key: str, job: dict[str, Any]) -> None:
        self._as(key, "POST", f"/jobs/{job['id']}/cancel")

    def delete(self, key: str, job: dict[str, Any]) -> None:
        self._as(key, "DELETE", f"/jobs/{job['id']}")

    def another_key(self) -> str:
        """Alice's, whose former one is taken no more."""
        revoke(self.file, "alice")
        key = add(self.file, "alice", KeyLimits())
        wait_until(lambda: self.takes(key))
        return key

    def _as(self, key: str, method: str, path: str, document: Any = None) -> httpx.Response:
        return self.service.http.request(method, path, headers={"Authorization": f"Bearer {key}"}, json=document)


@pytest.fixture(scope="module")
def running(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    url = f"unix://{valkey_socket}?db=15"
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "keys.json"
    add(file, "nobody", KeyLimits())
    with running_stub(url, folder / "data", DARKROOM_API_KEYS_FILE=str(file)) as service:
        yield service, file


@pytest.fixture
def keyed(running: tuple[Service, Path]) -> Iterator[Keyed]:
    """One process for all tests, with new keys, and no job, for each."""
    service, file = running
    keys = [add(file, name, KeyLimits()) for name in ("alice", "bob")]
    keyed = Keyed(service, file, *keys)
    wait_until(lambda: all(map(keyed.takes, keys)))
    yield keyed
    for name in ("alice", "bob"):
        revoke(file, name)
        key = add(file, name, KeyLimits())
        wait_until(lambda key=key: keyed.takes(key))
        for job in keyed.jobs(key):
            keyed.cancel(key, job)
            keyed.delete(key, job)
        revoke(file, name)


def asked_for_a_key(page: Page) -> Locator:
    dialog = page.get_by_role("dialog", name="This service asks for a key")
    expect(dialog).to_be_visible()
    return dialog


def give(page: Page, key: str) -> None:
    """By keyboard; the field has the focus."""
    expect(asked_for_a_key(page).get_by_label("API key")).to_be_focused()
    page.keyboard.insert_text(key)
    page.keyboard.press("Enter")


def is_let_in(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name=GENERATE)).to_be_visible()


def opened_by(open_page: OpenPage, keyed: Keyed, key: str, view: str = "") -> Playground:
    playground = open_page(f"{keyed.service.url}/{view}")
    give(playground.page, key)
    expect(playground.page.get_by_role("dialog")).to_have_count(0)
    return playground


def is_drawn(image: Locator) -> None:
    wait_until(lambda: image.evaluate(IS_DRAWN), 20)


def test_a_service_without_keys_asks_for_none(open_page: OpenPage, valkey_socket: Path, tmp_path: Path) -> None:
    with running_stub(f"unix://{valkey_socket}?db=14", tmp_path) as service:
        page = open_page(service.url).page
        is_let_in(page)
        expect(page.get_by_role("button", name="Forget the key")).to_have_count(0)


@pytest.mark.parametrize("wrong", ["dk_wrong", "ключ", "two words"])
def test_a_wrong_key_is_told_and_another_asked_for(keyed: Keyed, open_page: OpenPage, wrong: str) -> None:
    playground = open_page(keyed.service.url)
    dialog = asked_for_a_key(playground.page)
    expect(dialog.locator("[role=alert]")).to_be_empty()
    playground.page.keyboard.press("Escape")
    playground.page.keyboard.press("Escape")
    asked_for_a_key(playground.page)
    give(playground.page, wrong)
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    expect(dialog.get_by_label("API key")).to_have_value("")
    expect(dialog.get_by_label("API key")).to_have_attribute("aria-invalid", "true")
    give(playground.page, f"  {keyed.alice} ")
    is_let_in(playground.page)
    expect(playground.page.get_by_text("The service does not answer")).to_have_count(0)
    playground.reach(playground.ask_for("a fox"), "succeeded")
    is_drawn(playground.cards.get_by_role("img"))
    assert [job["parameters"]["prompt"] for job in keyed.jobs(keyed.alice)] == ["a fox"]


def test_a_key_that_is_revoked_meanwhile_costs_nothing_that_was_typed(keyed: Keyed, open_page: OpenPage) -> None:
    playground = opened_by(open_page, keyed, keyed.alice)
    page = playground.page
    playground.field("Negative prompt").fill("rain")
    playground.field("Prompt").fill("a hippo in the sun")
    key = keyed.another_key()
    page.keyboard.press("Control+Enter")
    dialog = asked_for_a_key(page)
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    give(page, "dk_wrong")
    expect(dialog.get_by_label("API key")).to_have_value("")
    asked_for_a_key(page)
    give(page, key)
    expect(page.get_by_role("dialog")).to_have_count(0)
    playground.reach(playground.cards.first, "succeeded")
    expect(playground.cards).to_have_count(1)
    expect(playground.field("Prompt")).to_have_value("a hippo in the sun")
    (job,) = keyed.jobs(key)
    assert (job["parameters"]["prompt"], job["parameters"]["negative_prompt"]) == ("a hippo in the sun", "rain")


def test_a_job_that_runs_while_its_key_is_revoked_is_followed_to_its_end(keyed: Keyed, open_page: OpenPage) -> None:
    playground = opened_by(open_page, keyed, keyed.alice)
    card = playground.reach(playground.ask_for("steps 2000"), "running")
    key = keyed.another_key()
    give(playground.page, key)
    expect(playground.page.get_by_role("dialog")).to_have_count(0)
    step = int(card.get_by_role("progressbar").get_attribute("value") or 0)
    wait_until(lambda: int(card.get_by_role("progressbar").get_attribute("value") or 0) > step)
    keyed.cancel(key, keyed.jobs(key)[0])
    playground.reach(card, "canceled")
    expect(playground.cards).to_have_count(1)


def test_a_key_is_kept_for_this_tab_alone(keyed: Keyed, open_page: OpenPage) -> None:
    playground = open_page("about:blank")
    page = playground.page
    urls: list[str] = []
    page.context.on("request", lambda request: urls.append(request.url))
    page.goto(keyed.service.url)
    give(page, keyed.alice)
    is_let_in(page)
    playground.reach(playground.ask_for("a fox"), "succeeded")
    is_drawn(playground.cards.get_by_role("img"))
    page.reload()
    is_let_in(page)
    is_drawn(playground.cards.get_by_role("img"))
    kept = playground.evaluate("JSON.stringify(sessionStorage)")
    assert keyed.alice in kept
    assert playground.evaluate("JSON.stringify(localStorage)") == "{}"
    assert page.context.cookies() == []
    assert playground.evaluate("indexedDB.databases()") == []
    assert playground.evaluate("caches.keys()") == []
    assert len(urls) > 10
    assert not [url for url in [*urls, page.url] if keyed.alice in url]
    assert keyed.alice not in page.content()
    other = page.context.new_page()
    other.goto(keyed.service.url)
    asked_for_a_key(other)
    assert playground.evaluate("history.length") <= 3


def test_a_key_is_used_where_the_browser_keeps_nothing(keyed: Keyed, open_page: OpenPage) -> None:
    playground = open_page("about:blank")
    playground.page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    playground.page.goto(keyed.service.url)
    give(playground.page, keyed.alice)
    is_let_in(playground.page)
    playground.reach(playground.ask_for("a fox"), "succeeded")


def test_a_key_that_is_forgotten_is_asked_for_again(keyed: Keyed, open_page: OpenPage) -> None:
    playground = opened_by(open_page, keyed, keyed.alice)
    page = playground.page
    playground.reach(playground.ask_for("a secret of alice"), "succeeded")
    playground.button("Forget the key").click()
    asked_for_a_key(page)
    assert "a secret of alice" not in page.content()
    kept = playground.evaluate("JSON.stringify(sessionStorage)")
    assert "a secret of alice" not in kept
    assert keyed.alice not in kept
    give(page, keyed.bob)
    is_let_in(page)
    expect(playground.cards).to_have_count(0)
    assert playground.field("Prompt").input_value() == ""
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    page.go_back()
    is_let_in(page)
    assert "a secret of alice" not in page.content()


def test_the_jobs_of_others_are_not_there(keyed: Keyed, open_page: OpenPage) -> None:
    job = keyed.drawn(keyed.alice, "a secret of alice")
    keyed.drawn(keyed.bob, "a fox of bob")
    playground = opened_by(open_page, keyed, keyed.bob, "#gallery")
    shown = playground.page.locator(".gallery").get_by_role("img")
    expect(shown).to_have_count(1)
    expect(shown).to_have_attribute("alt", "a fox of bob")
    is_drawn(shown)
    assert job["id"] not in playground.page.content()
    playground.page.get_by_role("button", name="a fox of bob").click()
    is_drawn(playground.page.get_by_role("dialog").get_by_role("img"))


def test_a_snippet_names_the_variable_and_never_the_key(keyed: Keyed, open_page: OpenPage) -> None:
    playground = opened_by(open_page, keyed, keyed.alice)
    playground.reach(playground.ask_for("a fox"), "succeeded")
    playground.button("Copy as…").click()
    dialog = playground.page.get_by_role("dialog", name="Copy this request")
    for language in ("curl", "Python", "JavaScript"):
        dialog.get_by_role("button", name=language).click()
        code = dialog.get_by_label("Code").input_value()
        assert "a fox" in code
        assert "DARKROOM_API_KEY" in code
        assert keyed.alice not in code
        assert "dk_" not in code


def _as_if_told_long_ago(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=re.sub(r"expires=\d+", EXPIRED, answer.text()))


def listen_for_refusals(page: Page) -> list[str]:
    """The pictures that the service refuses from here on."""
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    return refused


def test_a_picture_whose_address_has_expired_is_shown_all_the_same(keyed: Keyed, open_page: OpenPage) -> None:
    keyed.drawn(keyed.alice, "a fox", seed=1)
    keyed.drawn(keyed.alice, "a hippo", seed=2, num_images_per_prompt=2)
    playground = opened_by(open_page, keyed, keyed.alice)
    page = playground.page
    refused = listen_for_refusals(page)
    page.route("**/jobs?*", _as_if_told_long_ago)
    page.get_by_role("link", name="Gallery").click()
    shown = page.locator(".gallery").get_by_role("img")
    expect(shown).to_have_count(2)
    for image in shown.all():
        is_drawn(image)
    assert len(refused) == 2
    page.get_by_role("button", name="a hippo").click()
    dialog = page.get_by_role("dialog")
    is_drawn(dialog.get_by_role("img"))
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("2 of 2")
    is_drawn(dialog.get_by_role("img"))
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == playground.image_bytes(dialog.get_by_role("img"))
    page.keyboard.press("Escape")
    for box in page.get_by_label("Compare").all():
        box.check()
    page.get_by_role("button", name="Compare two").click()
    expect(dialog.get_by_role("img")).to_have_count(2)
    for image in dialog.get_by_role("img").all():
        is_drawn(image)
    assert len(refused) == 6
    assert all(EXPIRED in each for each in refused)


def test_an_expired_picture_of_a_card_and_of_a_grid_is_shown_all_the_same(keyed: Keyed, open_page: OpenPage) -> None:
    playground = opened_by(open_page, keyed, keyed.alice)
    page = playground.page
    playground.reach(playground.ask_for("a fox"), "succeeded")
    page.get_by_text("Other axes").click()
    playground.field("Across").select_option("Seed")
    page.get_by_label("Values").first.fill("1, 2")
    page.get_by_label("Values").last.fill("DDIM")
    playground.button("Make this grid").click()
    playground.reach(playground.cards.first, "ended")
    refused = listen_for_refusals(page)
    # Only the first answer of each.
    page.route(f"**/jobs/{keyed.jobs(keyed.alice)[-1]['id']}", _as_if_told_long_ago, times=1)
    page.route("**/grids/*", _as_if_told_long_ago, times=1)
    page.reload()
    expect(playground.cards.get_by_role("img")).to_have_count(3)
    for image in playground.cards.get_by_role("img").all():
        is_drawn(image)
    assert len(refused) == 3
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the sheet").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    assert len(refused) == 3
