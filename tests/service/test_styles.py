import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract.errors import CatalogError, ParametersRefused
from contract.model import Model
from contract.parameters import GenerationRequest
from service.styles import Style, apply_style, read_style_catalog
from tests.conftest import ROOT
from tests.contract.test_model import model
from tests.service.conftest import Service

SHIPPED = read_style_catalog(ROOT / "styles.toml").styles
INK = Style(name="ink", prompt="ink drawing of {prompt}, black", negative_prompt="photo")
ENTRY = '[[styles]]\nname = "ink"\nprompt = "ink drawing of {prompt}"\n'


def applied(style: Style = INK, of: Model | None = None, **asked: Any) -> GenerationRequest:
    return apply_style(style, GenerationRequest(**{"prompt": "a fox", "style": style.name} | asked), of or model())


def test_a_styles_words_go_around_the_prompt_and_behind_the_negative_prompt() -> None:
    request = applied(negative_prompt="red", seed=3)
    assert request == GenerationRequest(prompt="ink drawing of a fox, black", negative_prompt="red, photo", seed=3)
    assert applied().negative_prompt == applied(negative_prompt=" ").negative_prompt == "photo"


def test_whatever_is_in_braces_in_the_words_of_a_request_stays_as_it_is() -> None:
    assert applied(prompt="a {prompt} {fox}").prompt == "ink drawing of a {prompt} {fox}, black"


def test_a_styles_negative_prompt_does_not_take_the_place_of_the_models() -> None:
    careful = model(defaults=model().defaults.model_dump() | {"negative_prompt": "blurry"})
    assert applied(of=careful).negative_prompt == "blurry, photo"
    assert applied(of=careful, negative_prompt="red").negative_prompt == "red, photo"
    without = INK.model_copy(update={"negative_prompt": ""})
    assert applied(without, of=careful).negative_prompt is None


@pytest.mark.parametrize("guidance", ["none", "embedded"])
def test_a_styles_negative_prompt_is_left_out_where_it_would_have_no_effect(guidance: str) -> None:
    turbo = model(guidance=guidance)
    assert turbo.complete(applied(of=turbo), seed=1).negative_prompt == ""


def test_prompts_that_get_too_long_are_refused() -> None:
    with pytest.raises(ParametersRefused) as caught:
        applied(prompt="x" * 3980, negative_prompt="y" * 3999)
    detail = "must be at most 4000 characters with those of style 'ink'"
    assert caught.value.refusals == [("/prompt", detail), ("/negative_prompt", detail)]
    assert len(applied(prompt="x" * 3978).prompt) == 4000


def test_the_styles_that_ship_are_what_people_ask_for() -> None:
    assert len(SHIPPED) >= 12
    assert {"photo", "watercolor", "renaissance", "pencil sketch", "pixel art", "anime", "low poly"} <= set(SHIPPED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[styles]", "line 1"),
        ("styles = 1", "nothing but"),
        (ENTRY + "[[models]]", "nothing but"),
        (ENTRY + ENTRY, "'ink' is used more than once"),
        (ENTRY.replace("{prompt}", "it"), r"style 'ink': prompt: must hold \{prompt\} once"),
        (ENTRY.replace("{prompt}", "{prompt} {prompt}"), r"style 'ink': prompt: must hold \{prompt\} once"),
        (ENTRY.replace('name = "ink"', ""), "style 1: name: Field required"),
        (ENTRY + "x = 1", "style 'ink': x: Extra inputs"),
        (ENTRY.replace("ink drawing", "x" * 4000), "style 'ink': prompt: .* 4000 characters"),
        ("styles = [1]", "style 1: "),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "styles.toml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=reason) as caught:
        read_style_catalog(path)
    assert str(path) in str(caught.value)


def test_without_its_styles_the_service_does_not_start(tmp_path: Path) -> None:
    none = tmp_path / "none.toml"
    variables = {"DARKROOM_STYLES": str(none), "DARKROOM_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "service"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"{none}: " in done.stderr


def test_the_styles_on_offer_are_listed(service: Service) -> None:
    styles = service.http.get("/styles").json()["styles"]
    assert styles == [style.model_dump() for style in SHIPPED.values()]


def test_the_files_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "styles.toml").write_text(ENTRY.replace("drawing", "d\xe9cor"), encoding="utf-8")
    (tmp_path / "models.toml").write_text("# d\xe9cor\n" + (ROOT / "models.toml").read_text(), encoding="utf-8")
    read = (
        "from pathlib import Path\n"
        "from contract.model_catalog import read_model_catalog\n"
        "from service.styles import read_style_catalog\n"
        "print(ascii(read_style_catalog(Path('styles.toml')).choose('ink').prompt))\n"
        "read_model_catalog(Path('models.toml'))\n"
    )
    plain = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", read], cwd=tmp_path, env=os.environ | plain, capture_output=True, text=True
    )
    assert (done.stderr, done.stdout) == ("", "'ink d\\xe9cor of {prompt}'\n")


def test_a_job_shows_its_style_and_what_was_asked_before_it(service: Service) -> None:
    job = service.submit(style="watercolor", negative_prompt="red")
    assert job["style"] == {"name": "watercolor", "prompt": "a fox", "negative_prompt": "red"}
    assert job["parameters"]["prompt"] == "a watercolor painting of a fox"
    assert job["parameters"]["negative_prompt"] == f"red, {SHIPPED['watercolor'].negative_prompt}"
    assert service.http.get(f"/jobs/{job['id']}").json()["style"] == job["style"]
    assert service.submit(style="watercolor")["style"]["negative_prompt"] is None


def test_what_a_styled_job_shows_as_its_parameters_is_not_styled_again(service: Service) -> None:
    parameters = service.submit(style="watercolor")["parameters"]
    again = service.http.post("/generate", json=parameters).json()
    assert (again["parameters"], again["style"]) == (parameters, None)


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"style": "nonsense"}, "/style", f"must be one of {', '.join(SHIPPED)}"),
        ({"style": ""}, "/style", "at least 1 character"),
        ({"style": "photo", "prompt": "x" * 4000}, "/prompt", "at most 4000 characters with those of style 'photo'"),
        ({"style": "photo", "negative_prompt": "x" * 4000}, "/negative_prompt", "at most 4000 characters"),
        ({"clip_skip": 2}, "/clip_skip", "must be at most 1 for model 'pocket'"),
        ({"prompt": "(fox:4)", "prompt_weighting": True}, "/prompt", "more than 3"),
        ({"prompt_weighting": 1}, "/prompt_weighting", "boolean"),
    ],
)
def test_what_cannot_be_taken_is_named_with_its_limit(
    service: Service, fields: dict[str, Any], pointer: str, detail: str
) -> None:
    answer = service.http.post("/generate", json={"prompt": "a fox"} | fields)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, pointer)
    assert detail in error["detail"]


def test_a_model_shows_whether_it_weighs_and_how_many_layers_it_can_skip(service: Service) -> None:
    (pocket,) = service.http.get("/models").json()["models"]
    assert (pocket["prompt_weighting"], pocket["limits"]["clip_skip"], pocket["defaults"]["clip_skip"]) == (True, 1, 0)
