"""What a person sees: how a job goes, tables, pictures; and Ctrl-C."""

import re
from pathlib import Path

import pytest

from tests.darkroom.commands.conftest import Command
from tests.darkroom.commands.terminal import CTRL_C
from tests.service.conftest import Service

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_job_is_followed_from_its_place_in_line_and_canceled_by_ctrl_c(command: Command, service: Service) -> None:
    before = service.submit(prompt="steps 100")["id"]
    terminal = command.on_terminal("generate", "steps 99", "-l", "test=watched")
    terminal.until("place 1 in line")
    service.http.post(f"/jobs/{before}/cancel")
    terminal.until("of 99")
    terminal.press(CTRL_C)
    assert terminal.end() == 130
    assert terminal.printed.rstrip().endswith("darkroom: canceled; what runs ends at its next step")
    (job,) = service.http.get("/jobs", params={"label": "test:watched"}).json()["jobs"]
    ended = service.http.get(f"/jobs/{job['id']}", params={"wait": 10}).json()
    assert ended["status"] == "canceled"


def test_jobs_are_a_table_with_the_prompt_cut(command: Command, service: Service) -> None:
    service.submit(prompt="[bold]" + "fox " * 50, labels={"test": "table"})
    terminal = command.on_terminal("jobs", "-l", "test=table")
    assert terminal.end() == 0
    names, row = ESCAPE.sub("", terminal.printed).rstrip().splitlines()
    assert names.split() == ["id", "status", "age", "model", "prompt"]
    assert re.search(r" (?:queued|running|succeeded) +\d+s +pocket ", row)
    assert "[bold]fox fox" in row
    assert row.rstrip().endswith("…")


def test_a_grid_counts_its_cells(command: Command) -> None:
    terminal = command.on_terminal("grid", "steps 10", "--x", "seed=1,2", "-o", "sheet.png")
    terminal.until("of 2 cells")
    assert terminal.end() == 0
    assert terminal.printed.endswith("sheet.png\r\n")


@pytest.mark.parametrize("kind", ["missing", "dumb"])
def test_where_no_picture_can_be_shown_the_command_goes_on(command: Command, tmp_path: Path, kind: str) -> None:
    (tmp_path / "textual_image").mkdir()
    (tmp_path / "textual_image" / "__init__.py").write_text("raise ImportError")
    path = f"{tmp_path}:{command.environment({})['PYTHONPATH']}"
    term = "dumb" if kind == "dumb" else "xterm"
    terminal = command.on_terminal("generate", "a fox", "--preview", "-o", "fox.png", PYTHONPATH=path, TERM=term)
    assert terminal.end() == 0
    reason = {"missing": "it needs the extra `terminal`", "dumb": "this terminal shows no colours"}[kind]
    assert terminal.printed.startswith(f"darkroom: no preview: {reason}")
    assert terminal.printed.endswith("fox.png\r\n")
