"""The recipes for curl and JavaScript, run as they stand but for the address and the key."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Asked
from tests.clients.recipes import commands, modules

_PAGE = """
const shown = { picture: {}, progress: {}, said: {} };
globalThis.document = { getElementById: (id) => shown[id] };
globalThis.sessionStorage = { getItem: (name) => (name === "darkroom-key" ? process.env.DARKROOM_API_KEY : null) };
const withoutOrigin = fetch;
globalThis.fetch = (path, options) => withoutOrigin(new URL(path, process.env.ORIGIN), options);
await import("./page.mjs");
const drawn = await fetch(shown.picture.src);
console.log(JSON.stringify({ ...shown, type: drawn.headers.get("Content-Type") }));
"""
"""A stand-in for the document that page.mjs is loaded into; its picture is fetched as <img> would, without the key."""

_WRONG = """
import { connect } from "./darkroom.mjs";
for (const [key, width] of [["no key", 64], [process.env.DARKROOM_API_KEY, 100]])
  await connect(process.env.ORIGIN, key).submit({ prompt: "a fox", width }).catch((e) => console.log(e.message));
"""


def run(command: list[str], folder: Path, **variables: str) -> str:
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(command, cwd=folder, env=clean | variables, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_curl(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "recipe.sh").write_text("set -euo pipefail\n" + commands("curl.md", asked))
    told = run(["bash", "recipe.sh"], tmp_path)
    assert re.match(r"/jobs/[0-9a-f]{32}\nPNG", told)
    assert '"pointer":"/width"' in told
    assert re.search(r'^data: {"step": \d+, "total": 40}$', told, re.MULTILINE)
    penguin, fox, inspected = (
        json.loads((tmp_path / name).read_text()) for name in ("job.json", "fox.json", "inspected.json")
    )
    assert (penguin["status"], fox["status"], len(fox["images"])) == ("succeeded", "succeeded", 2)
    assert inspected["parameters"] == penguin["parameters"]
    assert len((tmp_path / "penguin.png").read_bytes()) == penguin["images"][0]["size_bytes"]
    assert json.loads((tmp_path / "models.json").read_text())["models"][0]["id"] == "pocket"
    assert penguin["id"] in [job["id"] for job in json.loads((tmp_path / "jobs.json").read_text())["jobs"]]
    assert (tmp_path / "darkroom.curl").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def written(asked: Asked, tmp_path: Path) -> Path:
    """The folder with the files of javascript.md."""
    for name, text in modules("javascript.md", asked).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_javascript_draws(asked: Asked, written: Path) -> None:
    name, size, seed = run(["node", "draw.mjs"], written, DARKROOM_API_KEY=asked.key).split(maxsplit=2)
    assert (size, seed) == ("128x128", "seed 1\n")
    job = asked.jobs()[0]
    assert f"{job['id']}-0.png" == name
    assert len((written / name).read_bytes()) == job["images"][0]["size_bytes"]


def test_javascript_watches(asked: Asked, written: Path) -> None:
    lines = run(["node", "watch.mjs"], written, DARKROOM_API_KEY=asked.key).splitlines()
    assert (lines[0], lines[-1]) == ("queued", "succeeded")
    for kind in (r"step \d+ of 40", r"a preview at step \d+, \d+ characters"):
        assert [line for line in lines if re.fullmatch(kind, line)]


def test_javascript_shows_in_a_page(asked: Asked, written: Path) -> None:
    (written / "stand_in.mjs").write_text(_PAGE)
    told = json.loads(run(["node", "stand_in.mjs"], written, DARKROOM_API_KEY=asked.key, ORIGIN=asked.url))
    assert (told["said"], told["progress"], told["type"]) == ({"value": "succeeded"}, {"value": 1}, "image/png")


def test_javascript_says_what_the_service_refuses(asked: Asked, written: Path) -> None:
    (written / "wrong.mjs").write_text(_WRONG)
    unknown, refused = run(["node", "wrong.mjs"], written, DARKROOM_API_KEY=asked.key, ORIGIN=asked.url).splitlines()
    assert unknown.startswith("401 ")
    assert refused.startswith("422 validation_failed: ")
