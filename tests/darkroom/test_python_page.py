"""docs/python.md: its programs, as they stand."""

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.service.conftest import Service

PROGRAMS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE | re.DOTALL)
URL = "http://127.0.0.1:8000"


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_every_program_runs(
    program: str, drawing_service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKROOM_URL", drawing_service.url)
    code = compile(program.replace(URL, drawing_service.url), "python.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, object] = {}
    waiting = eval(code, names)
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)
    made = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert made == (["hippo"] * 2 if "hippo" in program else ["sheet.png"] if "sheet" in program else [])


def test_there_are_some() -> None:
    assert len(PROGRAMS) == 4
