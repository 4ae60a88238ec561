"""The page for those who do not see it, have no mouse, are far away, or hold it in one hand."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from service.access.key_file import KeyLimits
from service.keys import add
from tests.browser.conftest import OpenPage, running_stub
from tests.browser.playground import Playground
from tests.conftest import wait_until
from tests.service.conftest import Service

LONG = "steps 2000"
LATENCY_MILLISECONDS = 400
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 320, "height": 640}
LEAST_SIDE = 24

SMALL = """least => {
  const targets = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const isInline = element => getComputedStyle(element).display === "inline" && element.closest("p");
  return [...document.querySelectorAll(targets)]
    .filter(element => element.checkVisibility({ visibilityProperty: true }) && !isInline(element))
    .map(element => [element, element.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < least - 0.01 || height < least - 0.01)
    .map(([element, { width, height }]) => `${element.outerHTML.slice(0, 80)}: ${width} x ${height}`);
}"""
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("dialog[open]")]
  .filter(element => element.scrollWidth > element.clientWidth)
  .map(element => [...element.querySelectorAll("*")]
    .filter(each => each.getBoundingClientRect().right > innerWidth)
    .map(each => each.outerHTML.slice(0, 80)))"""
FOCUSED = """() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const kind = element.localName === "input" ? `input ${element.type}` : element.localName;
  return { kind, outline: `${outlineWidth} ${outlineStyle}`, html: element.outerHTML.slice(0, 120) };
}"""
MOVING = """() => [...document.querySelectorAll("*")]
  .map(element => [element, getComputedStyle(element)])
  .filter(([, style]) => style.animationName !== "none" || parseFloat(style.transitionDuration) > 0)
  .map(([element]) => element.outerHTML.slice(0, 80))"""
LISTEN = """() => {
  window.heard = [];
  const status = document.querySelector("#app > [role=status]");
  new MutationObserver(() => heard.push([status.textContent, performance.now() / 1000]))
    .observe(status, { childList: true, characterData: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def running(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"unix://{valkey_socket}?db=15"
    with running_stub(url, tmp_path_factory.mktemp("accessibility")) as service:
        yield service


@pytest.fixture
def playground(stub: Service, open_page: OpenPage) -> Playground:
    playground = open_page(stub.url)
    expect(playground.field("Prompt")).to_be_visible()
    return playground


def ended(stub: Service, **parameters: Any) -> None:
    job = stub.submit(**parameters)
    assert stub.http.get(f"/jobs/{job['id']}?wait=30").json()["completed_at"]


def show(playground: Playground, view: str) -> None:
    playground.page.get_by_role("link", name=view).click()


def picture(playground: Playground, name: str = "a fox") -> Locator:
    """What opens it."""
    return playground.page.get_by_role("button", name=name).filter(has=playground.page.get_by_role("img"))


def dialog(playground: Playground) -> Locator:
    """The one on top."""
    return playground.page.get_by_role("dialog").last


def grid_of(playground: Playground, prompt: str) -> Locator:
    playground.field("Prompt").fill(prompt)
    playground.page.get_by_text("Other axes").click()
    playground.field("Across").select_option("Seed")
    playground.page.get_by_label("Values").first.fill("1, 2, 3, 4, 5, 6")
    playground.page.get_by_label("Values").last.fill("DDIM, Euler")
    playground.button("Make this grid").click()
    expect(playground.cards.first).to_have_attribute("aria-label", f"Grid: {prompt}")
    return playground.cards.first


def empty(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    for group in ("More settings", "Other axes"):
        playground.page.get_by_text(group).click()


def refused(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    for label in ("Width", "Steps", "Guidance", "Pictures", "Seed"):
        playground.field(label).fill("7777777777")
    playground.page.keyboard.press("Control+Enter")
    expect(playground.page.get_by_text("it must not be blank")).to_be_visible()
    expect(playground.page.get_by_text("Width: must be a whole number")).to_be_visible()


def queued(playground: Playground, stub: Service) -> None:
    stub.submit(prompt=LONG)
    playground.reach(playground.ask_for("a fox"), "queued")


def being_drawn(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    expect(playground.ask_for(LONG).locator(".preview")).to_be_visible()


def succeeded(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    playground.reach(playground.ask_for("a fox"), "succeeded")


def failed(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    playground.reach(playground.ask_for("fail"), "failed")


def canceled(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    card = playground.reach(playground.ask_for(LONG), "running")
    playground.page.keyboard.press("Escape")
    playground.reach(card, "canceled")


def several(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    playground.reach(playground.ask_for("a fox", Pictures="4"), "succeeded")


def film_strip(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    playground.reach(playground.ask_for("steps 30"), "succeeded")
    playground.page.get_by_text("Film strip").click()
    expect(playground.button("The picture")).to_be_visible()


def grid_underway(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    expect(grid_of(playground, LONG)).to_contain_text("1 running")


def grid_ended(playground: Playground, stub: Service) -> None:  # noqa: ARG001
    playground.reach(grid_of(playground, "a fox"), "ended")


def picture_dialog(playground: Playground, stub: Service) -> None:
    several(playground, stub)
    picture(playground).first.click()
    expect(dialog(playground).get_by_role("img")).to_be_visible()


def copy_dialog(playground: Playground, stub: Service) -> None:
    succeeded(playground, stub)
    playground.button("Copy as…").click()
    expect(dialog(playground)).to_be_visible()


def confirmation(playground: Playground, stub: Service) -> None:
    picture_dialog(playground, stub)
    dialog(playground).get_by_role("button", name="Delete").click()
    expect(playground.button("Keep")).to_be_visible()


def gallery(playground: Playground, stub: Service) -> None:
    for prompt in ("a fox", "a hippo", "fail"):
        ended(stub, prompt=prompt)
    ended(stub, prompt="a penguin", num_images_per_prompt=3)
    stub.submit(prompt=LONG)
    show(playground, "Gallery")
    expect(playground.page.locator(".gallery li")).to_have_count(5)
    playground.field("Label").fill("nothing")


def job_dialog(playground: Playground, stub: Service) -> None:
    gallery(playground, stub)
    playground.page.get_by_role("button", name="fail").click()
    expect(dialog(playground)).to_be_visible()


def comparison(playground: Playground, stub: Service) -> None:
    gallery(playground, stub)
    for box in playground.page.get_by_label("Compare").all()[:2]:
        box.check()
    playground.button("Compare two").click()
    expect(dialog(playground).get_by_role("row").first).to_be_visible()


def is_fit_for_all(playground: Playground) -> None:
    """In light and dark, on a large screen and a small one."""
    page = playground.page
    found: dict[str, list[str]] = {}
    for screen in (WIDE, NARROW):
        page.set_viewport_size(screen)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            found[f"{screen['width']}, {scheme}"] = playground.violations()
        found[f"{screen['width']}, small"] = page.evaluate(SMALL, LEAST_SIDE)
        found[f"{screen['width']}, too wide"] = page.evaluate(TOO_WIDE)
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "reach",
    [
        empty,
        refused,
        queued,
        being_drawn,
        succeeded,
        failed,
        canceled,
        several,
        film_strip,
        grid_underway,
        grid_ended,
        picture_dialog,
        copy_dialog,
        confirmation,
        gallery,
        job_dialog,
        comparison,
    ],
)
def test_every_state_is_fit_for_all(
    playground: Playground, stub: Service, reach: Callable[[Playground, Service], None]
) -> None:
    reach(playground, stub)
    is_fit_for_all(playground)


def test_the_question_for_a_key_is_fit_for_all(open_page: OpenPage, valkey_socket: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = add(file, "alice", KeyLimits())
    url = f"unix://{valkey_socket}?db=14"
    with running_stub(url, tmp_path / "data", DARKROOM_API_KEYS_FILE=str(file)) as service:
        playground = open_page(service.url)
        expect(playground.field("API key")).to_be_visible()
        is_fit_for_all(playground)
        playground.field("API key").fill("wrong")
        playground.page.keyboard.press("Enter")
        expect(dialog(playground).get_by_role("alert")).not_to_be_empty()
        is_fit_for_all(playground)
        playground.field("API key").fill(key)
        playground.page.keyboard.press("Enter")
        expect(playground.button("Forget the key")).to_be_visible()
        is_fit_for_all(playground)


def tab_to(target: Locator) -> Locator:
    """By no other key."""
    for _ in range(100):
        if target.evaluate("element => element === document.activeElement"):
            return target
        target.page.keyboard.press("Tab")
    raise AssertionError("no way there")


def test_all_is_done_by_keyboard(playground: Playground, stub: Service) -> None:
    press = playground.page.keyboard.press
    tab_to(playground.field("Prompt"))
    playground.page.keyboard.type(LONG)
    press("Control+Enter")
    expect(playground.cards).to_have_count(1)
    playground.reach(playground.cards.first, "running")
    press("Escape")
    playground.reach(playground.cards.first, "canceled")
    tab_to(playground.field("Prompt"))
    press("Control+a")
    playground.page.keyboard.type("a fox")
    tab_to(playground.button("Generate Ctrl Enter"))
    press("Enter")
    expect(playground.cards).to_have_count(2)
    playground.reach(playground.cards.first, "succeeded")
    tab_to(picture(playground))
    press("Enter")
    expect(dialog(playground).get_by_role("img")).to_be_visible()
    press("Escape")
    expect(dialog(playground)).to_have_count(0)
    expect(picture(playground)).to_be_focused()
    ended(stub, prompt="a hippo")
    tab_to(playground.page.get_by_role("link", name="Gallery"))
    press("Enter")
    for place in (0, 1):
        tab_to(playground.page.get_by_label("Compare").nth(place))
        press("Space")
    tab_to(playground.button("Compare two"))
    press("Enter")
    expect(playground.page.get_by_role("dialog", name="Side by side")).to_be_visible()
    press("Escape")
    expect(playground.button("Compare two")).to_be_focused()
    tab_to(picture(playground, "a hippo"))
    press("Enter")
    tab_to(dialog(playground).get_by_role("button", name="Delete"))
    press("Enter")
    tab_to(playground.page.get_by_role("dialog", name="for ever?").get_by_role("button", name="Delete"))
    press("Enter")
    expect(picture(playground, "a hippo")).to_have_count(0)
    assert [job["parameters"]["prompt"] for job in stub.http.get("/jobs").json()["jobs"]] == ["a fox", LONG]


def test_escape_cancels_only_what_is_seen_and_under_nothing(playground: Playground, stub: Service) -> None:
    press = playground.page.keyboard.press
    succeeded(playground, stub)
    card = playground.reach(playground.ask_for(LONG), "running")
    picture(playground).click()
    expect(dialog(playground)).to_be_visible()
    press("Escape")
    expect(dialog(playground)).to_have_count(0)
    show(playground, "Gallery")
    playground.field("Label").fill("week:2")
    press("Escape")
    show(playground, "Create")
    expect(card).to_have_attribute("data-status", "running")
    expect(playground.button("Cancel Esc")).to_be_enabled()
    press("Escape")
    playground.reach(card, "canceled")


def test_the_first_tab_leads_to_the_content(playground: Playground) -> None:
    page = playground.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(playground.field("Prompt")).to_be_focused()


def test_the_focus_is_seen_on_every_kind_of_control(playground: Playground, stub: Service) -> None:
    page = playground.page
    film_strip(playground, stub)
    grid_ended(playground, stub)
    page.get_by_text("More settings").click()
    page.get_by_role("link", name="Create").focus()
    kinds: set[str] = set()
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        kinds.add(focused["kind"])
        if focused["kind"] == "body":
            break
        assert focused["outline"] == "3px solid", focused["html"]
    inputs = {f"input {each}" for each in ("text", "number", "range", "checkbox")}
    assert kinds == inputs | {"a", "button", "textarea", "select", "summary", "div", "body"}


def test_nothing_moves_for_those_who_want_no_motion(playground: Playground, stub: Service) -> None:
    page = playground.page
    being_drawn(playground, stub)
    assert page.evaluate(MOVING)
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(MOVING) == []
    assert page.evaluate("document.getAnimations().length") == 0
    waiting = playground.ask_for("a hippo")
    expect(waiting).to_contain_text("Next in line")
    expect(waiting.get_by_role("progressbar")).to_have_count(0)


def test_what_happens_is_said_but_not_step_by_step(playground: Playground, stub: Service) -> None:
    before = stub.submit(prompt=LONG)
    playground.evaluate(LISTEN)

    def heard() -> list[str]:
        return [text for text, _ in playground.evaluate("heard")]

    card = playground.ask_for("steps 40")
    wait_until(heard)
    stub.http.post(f"/jobs/{before['id']}/cancel")
    playground.reach(card, "succeeded")
    wait_until(lambda: "Done: 1 picture" in heard())
    said = heard()
    between = {"Running", "25 percent", "50 percent", "75 percent", "100 percent"}
    assert said[0] == "Next in line"
    assert said[-1] == "Done: 1 picture"
    assert between & set(said[1:-1])
    assert set(said[1:-1]) <= between
    assert len(set(said)) == len(said)
    times = [at for _, at in playground.evaluate("heard")]
    assert min(later - former for former, later in pairwise(times)) > 0.75


def test_all_modules_are_asked_for_before_one_has_come(stub: Service, open_page: OpenPage) -> None:
    playground = open_page("about:blank")
    page = playground.page
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    conditions = {"latency": LATENCY_MILLISECONDS, "downloadThroughput": -1, "uploadThroughput": -1, "offline": False}
    session.send("Network.emulateNetworkConditions", conditions)
    asked: dict[str, str] = {}
    order: list[tuple[str, str]] = []

    def sent(event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        asked[event["requestId"]] = url
        order.append(("asked", url))

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.responseReceived", lambda event: order.append(("came", asked[event["requestId"]])))
    page.goto(stub.url)
    card = playground.ask_for("a fox")
    playground.reach(card, "succeeded")
    modules = [(what, url) for what, url in order if url.endswith(".js")]
    first_answer = next(index for index, (what, _) in enumerate(modules) if what == "came")
    assert {url for what, url in modules[first_answer:] if what == "asked"} == set()
    assert first_answer == len({url for _, url in modules})
