"""docs/recipes: the commands and programs that can be run here, as they stand."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Asked, picture
from tests.conftest import ROOT

RECIPES = ROOT / "docs" / "recipes"


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", (RECIPES / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found


def run(asked: Asked, folder: Path, *command: str) -> str:
    environment = os.environ | {"DARKROOM_URL": asked.url, "DARKROOM_API_KEY": asked.key}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_curl(asked: Asked, tmp_path: Path) -> None:
    for block in blocks("curl.md", "bash"):
        run(asked, tmp_path, "bash", "-euo", "pipefail", "-c", block)
    assert json.loads((tmp_path / "job.json").read_text())["status"] == "succeeded"
    assert picture(tmp_path / "fox.png") == ("PNG", (128, 128))
    events = re.findall(r"^event: (\w+)$", (tmp_path / "events.txt").read_text(), re.MULTILINE)
    assert (events[0], events[-1], "progress" in events) == ("queued", "succeeded", True)
    assert picture(tmp_path / "cat.png") == ("PNG", (128, 128))
    canceled = json.loads((tmp_path / "canceled.json").read_text())["id"]
    assert {job["status"] for job in asked.jobs() if job["id"] == canceled} <= {"canceled", "running"}


def test_javascript(asked: Asked, tmp_path: Path) -> None:
    (program,) = blocks("javascript.md", "javascript")
    (tmp_path / "recipe.mjs").write_text(program)
    *told, last = run(asked, tmp_path, "node", "recipe.mjs").splitlines()
    assert last == "7 image/png true"
    assert [line for line in told if line.endswith(" of 40")]
    assert "data:image/jpeg;base64," in told


@pytest.mark.parametrize("page", sorted(path.name for path in RECIPES.glob("*.md")))
def test_every_page_is_on_the_first_one(page: str) -> None:
    assert page == "README.md" or f"({page})" in (RECIPES / "README.md").read_text()
