"""docs/python.md: its examples run as they stand and print what it says, and it names every verb."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from darkroom import Darkroom
from tests.conftest import ROOT
from tests.service.conftest import Service

DOCUMENT = (ROOT / "docs" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize(("example", "prints"), EXAMPLES)
def test_an_example_runs_and_prints_what_is_below_it(
    example: str,
    prints: str,
    drawing_service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DARKROOM_URL", drawing_service.url)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/python.md", "exec"), {"__name__": "__main__"})
    assert fnmatchcase(capsys.readouterr().out, prints.replace("…", "*") or "*")


def test_the_table_names_every_verb() -> None:
    named = {
        verb for row in re.findall(r"^\| (`.*?) \|", DOCUMENT, re.MULTILINE) for verb in re.findall(r"`(\w+)\(", row)
    }
    assert named == {verb for verb in vars(Darkroom) if not verb.startswith("_")}
