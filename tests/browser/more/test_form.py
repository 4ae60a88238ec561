"""What the form takes, and how it says what it does not: before it asks, and after."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, running_stub
from tests.browser.playground import Playground
from tests.conftest import ROOT
from tests.service.conftest import Service

MODELS = """
[[models]]
id = "pocket"
source = "models/pocket"
defaults = {width = 128, height = 128, num_inference_steps = 20, guidance_scale = 4.0, scheduler = "DDIM"}
limits = {width = 256, height = 256, pixels = 65536, num_inference_steps = 100, num_images_per_prompt = 8}

[[models]]
id = "turbo"
source = "models/pocket"
guidance = "none"
schedulers = ["Euler a"]
defaults = {width = 512, height = 512, num_inference_steps = 1, guidance_scale = 0.0, scheduler = "Euler a"}
limits = {width = 1024, height = 768, pixels = 524288, num_inference_steps = 8, num_images_per_prompt = 2}
"""


@pytest.fixture(scope="module")
def service(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("form")
    models = folder / "models.toml"
    models.write_text(MODELS.replace('"models/pocket"', f'"{ROOT / "models" / "pocket"}"'))
    policy = folder / "policy.txt"
    policy.write_text("forbidden\n")
    environment = {"DARKROOM_MODELS": str(models), "DARKROOM_PROMPT_POLICY": str(policy)}
    with running_stub(
        f"unix://{valkey_socket}?db=15",
        folder,
        DARKROOM_MAX_COST="10000000",
        DARKROOM_OWNER_MAX_QUEUED_JOBS="1",
        **environment,
    ) as service:
        yield service


@pytest.fixture
def playground(service: Service, open_page: OpenPage) -> Playground:
    return open_page(service.url)


def submitted(playground: Playground) -> list[str]:
    """What is posted from now on."""
    posts: list[str] = []
    playground.page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    return posts


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("Prompt", "", "Prompt: says what to draw: it must not be blank."),
        ("Prompt", "x" * 4001, "Prompt: is 4001 characters long, must be at most 4000."),
        ("Width", "100", "Width: must be a multiple of 8."),
        ("Height", "1000", "Height: must be a whole number, 64 to 256."),
        ("Steps", "101", "Steps: must be a whole number, 1 to 100."),
        ("Guidance", "51", "Guidance: must be 0 to 50."),
        ("Pictures", "9", "Pictures: must be a whole number, 1 to 8."),
        ("Seed", "4294967296", "Seed: must be a whole number, 0 to 4294967295."),
    ],
)
def test_what_is_wrong_is_said_before_anybody_is_asked(
    playground: Playground, label: str, value: str, words: str
) -> None:
    posts = submitted(playground)
    playground.field("Prompt").fill("a fox")
    field = playground.field(label)
    field.fill(value)
    playground.button("Generate Ctrl Enter").click()
    expect(playground.page.get_by_text(words)).to_be_visible()
    expect(field).to_be_focused()
    assert field.get_attribute("aria-invalid") == "true"
    described = str(field.get_attribute("aria-describedby")).split()
    assert words in [playground.page.locator(f"#{each}").inner_text() for each in described if each.endswith("wrong")]
    assert posts == []
    assert playground.cards.count() == 0


def test_labels_are_in_a_group_that_opens_for_what_is_wrong(playground: Playground) -> None:
    playground.page.get_by_text("More settings").click()
    playground.field("Labels").fill("nonsense")
    playground.page.get_by_text("More settings").click()
    playground.ask_for_nothing("a fox")
    expect(playground.field("Labels")).to_be_focused()
    playground.field("Labels").fill("course:noise")
    playground.reach(playground.ask_for("a fox"), "succeeded")


def test_what_the_service_refuses_is_said_at_its_field(service: Service, playground: Playground) -> None:
    before = len(service.http.get("/jobs").json()["jobs"])
    playground.ask_for_nothing("a forbidden fox")
    prompt = playground.field("Prompt")
    expect(prompt).to_have_attribute("aria-invalid", "true")
    expect(prompt).to_be_focused()
    prompt.fill("a fox")
    expect(prompt).not_to_have_attribute("aria-invalid", "true")
    assert len(service.http.get("/jobs").json()["jobs"]) == before


def test_a_bound_of_the_operator_is_said_where_it_is_passed(playground: Playground) -> None:
    playground.field("Steps").fill("100")
    playground.field("Pictures").fill("8")
    playground.ask_for_nothing("a fox")
    expect(playground.page.get_by_text("Pictures: width x height")).to_be_visible()
    expect(playground.field("Pictures")).to_be_focused()


def test_what_belongs_to_no_field_is_said_all_the_same(playground: Playground) -> None:
    playground.reach(playground.ask_for("steps 400"), "running")
    playground.reach(playground.ask_for("steps 400"), "queued")
    playground.ask_for_nothing("steps 400")
    expect(playground.page.get_by_role("alert").filter(has_text="in line")).to_be_visible()
    expect(playground.cards).to_have_count(2)
    for _ in range(2):
        playground.page.keyboard.press("Escape")
    for card in playground.cards.all():
        playground.reach(card, "canceled")


def test_the_form_follows_the_model(service: Service, playground: Playground) -> None:
    playground.field("Steps").fill("7")
    playground.field("Negative prompt").fill("blue")
    playground.field("Model").select_option("turbo")
    expect(playground.field("Width")).to_have_value("512")
    expect(playground.field("Steps")).to_have_value("7")  # chosen, and within its limits
    expect(playground.field("Scheduler")).to_have_value("Euler a")
    expect(playground.field("Guidance")).to_have_count(0)
    expect(playground.field("Negative prompt")).to_be_disabled()
    expect(playground.button("Steps × guidance")).to_have_count(0)
    playground.reach(playground.ask_for("a fox"), "succeeded")
    parameters = service.http.get("/jobs").json()["jobs"][0]["parameters"]
    assert (parameters["model"], parameters["width"], parameters["num_inference_steps"]) == ("turbo", 512, 7)
    playground.field("Model").select_option("pocket")
    expect(playground.field("Width")).to_have_value("128")
    expect(playground.field("Negative prompt")).to_have_value("blue")


def test_a_preset_sets_both_sides(playground: Playground) -> None:
    playground.field("Size").select_option("256x256")
    expect(playground.field("Width")).to_have_value("256")
    expect(playground.field("Height")).to_have_value("256")
    playground.field("Height").fill("200")
    expect(playground.field("Size")).to_have_value("256x200")


def test_a_seed_is_new_each_time_until_it_is_kept(service: Service, playground: Playground) -> None:
    for _ in range(2):
        playground.reach(playground.ask_for("a fox"), "succeeded")
    playground.field("Seed").fill("4294967295")
    for _ in range(2):
        playground.reach(playground.ask_for("a fox"), "succeeded")
    playground.button("New").click()
    kept = int(playground.field("Seed").input_value())
    playground.reach(playground.ask_for("a fox"), "succeeded")
    jobs = service.http.get("/jobs", params={"limit": 5}).json()["jobs"]
    seeds = [job["parameters"]["seed"] for job in jobs]
    assert seeds[:3] == [kept, 4294967295, 4294967295]
    assert len(set(seeds)) == 4


def test_what_was_typed_outlives_a_reload(playground: Playground) -> None:
    playground.field("Prompt").fill("a fox")
    playground.field("Steps").fill("9")
    playground.field("Model").select_option("turbo")
    playground.page.reload()
    expect(playground.field("Prompt")).to_have_value("a fox")
    expect(playground.field("Model")).to_have_value("turbo")
    expect(playground.field("Width")).to_have_value("512")
