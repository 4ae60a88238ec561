"""The rules that no linter knows."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from service.settings import ServiceSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[1]
ROOMS = ("contract", "service", "worker", "darkroom")
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
MODULES = sorted((ROOT / "service" / "playground").glob("*.js"))


def test_the_service_imports_neither_torch_nor_rq() -> None:
    script = "import sys, service.__main__; print([n for n in ('torch', 'diffusers', 'rq') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_settings_read_the_environment(path: Path) -> None:
    reads = re.findall(r"os\.getenv|os\.environ", path.read_text())
    assert not reads or path.name == "settings.py"


@pytest.mark.parametrize("path", [*SOURCES, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_stays_within_a_reader_s_reach(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(('"""', "/**")) or not text
    assert text.count("\n") <= 300


def test_every_room_is_packaged_and_nothing_else() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ROOMS)


def test_every_module_of_the_worker_and_every_folder_of_the_service_is_on_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    modules = {path.stem for path in (ROOT / "worker").glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in (ROOT / "service").glob("*/__init__.py")}
    words = set(re.findall(r"\w+", text.partition("## The worker's modules")[2].split("```")[1]))
    assert modules - words == set()
    assert {each for each in folders if f"\n{each}/ " not in text} == set()


def test_every_setting_is_documented() -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "models.md"))
    rows = re.findall(r"^\| .*", text, re.MULTILINE)
    documented = {name.lower() for row in rows for name in settings_in(row)}
    settings = {*ServiceSettings.model_fields, *WorkerSettings.model_fields}
    assert settings - documented == {"supervisor_pid", "predecessor_pid"}  # which no user sets


def settings_in(row: str) -> list[str]:
    return re.findall(r"`(?:DARKROOM_)?([A-Z_]+)`", row.split("|")[1])


def test_every_event_of_the_log_is_in_its_documentation() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    written = set(re.findall(r'\blog\.(?:debug|info|warning|error|critical|exception)\(\s*"(\w+)"', text))
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "logging.md").read_text()))
    assert written
    assert written - documented == set()
