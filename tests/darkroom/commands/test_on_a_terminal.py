"""What a person sees: how a job goes, tables, pictures; and Ctrl-C."""

import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from darkroom import Axis, Darkroom
from darkroom.commands.printing import print_rows
from darkroom.commands.terminal_picture import terminal_picture
from darkroom.commands.waiting import grid_watched
from tests.darkroom.commands.conftest import Command
from tests.darkroom.commands.terminal import CTRL_C
from tests.service.conftest import Service

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def own_terminal() -> Iterator[Callable[[], str]]:
    """This process's standard streams are a terminal's; called, it says what was printed there."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, pytest.MonkeyPatch.context() as patch:
        for name in ("stdin", "stdout", "stderr"):
            patch.setattr(sys, name, stream)

        def printed() -> str:
            stream.flush()
            return os.read(ours, 65536).decode()

        yield printed
    os.close(ours)


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


def test_jobs_have_room_on_80_columns(command: Command, service: Service) -> None:
    service.submit(prompt="a fox on a hill", labels={"test": "table"})
    terminal = command.on_terminal("jobs", "-l", "test=table", COLUMNS="80")
    assert terminal.end() == 0
    names, row = ESCAPE.sub("", terminal.printed).rstrip().splitlines()
    assert names.split() == ["id", "status", "age", "model", "prompt"]
    assert re.fullmatch(r"[0-9a-f]{32}  (?:queued|running|succeeded) +\d+s +pocket  a fox on a hill", row.rstrip())


def test_rows_are_a_table_with_the_prompt_cut() -> None:
    with own_terminal() as printed:
        print_rows(("id", "prompt", "images"), [("019a", "[bold]" + "fox " * 50, 2)], wide="prompt")
        names, row = ESCAPE.sub("", printed()).rstrip().splitlines()
    assert names.split() == ["id", "prompt", "images"]
    assert "[bold]fox fox" in row
    assert row.rstrip().endswith("…  2")
    assert len(row.rstrip()) < len("fox " * 50)


def test_a_grid_counts_its_cells(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with Darkroom(service.url) as client, own_terminal() as printed:
        grid = client.grid({"prompt": "steps 10"}, x=Axis(parameter="seed", values=[1, 2]))
        assert grid_watched(client, grid).ended
        assert "of 2 cells" in printed()


@pytest.mark.parametrize("kind", ["missing", "dumb"])
def test_where_no_picture_can_be_shown_a_line_says_why(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("TERM", "dumb" if kind == "dumb" else "xterm")
    monkeypatch.setitem(sys.modules, "textual_image.renderable", None)  # as if it were not installed
    reason = {"missing": "it needs the extra `terminal`: pip", "dumb": "this terminal shows no colours"}[kind]
    with own_terminal() as printed:
        assert terminal_picture() is None
        assert printed().startswith(f"darkroom: no preview: {reason}")


def test_where_no_picture_can_be_shown_the_command_goes_on(command: Command) -> None:
    drawn = command("generate", "a fox", "--preview", "-o", "fox.png")
    assert drawn.stdout == "fox.png\n"
    assert drawn.stderr == "darkroom: no preview: standard input, output and error must be a terminal\n"
