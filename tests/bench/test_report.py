import json
from argparse import Namespace
from pathlib import Path

import pytest

from bench.document import DOCUMENT, filled
from bench.report import RESULTS, Goal, Result, Row, markdown, number, publish

RESULT = Result(
    "sample",
    "A sample",
    [
        Row("fast enough", "ms", [5.0, 4.0, 9.0], Goal(at_most=5)),
        Row("too slow", "jobs/s", [299.0, 298.0, 301.0], Goal(at_least=300)),
        Row("only told", "", [12345.6]),
    ],
    {"clients": 16},
    ["A note."],
)


def test_a_goal_is_judged_by_the_median_and_met_at_its_bound():
    assert [row.met for row in RESULT.rows] == [True, False, None]
    assert Goal(at_most=1.3).met(1.3)
    assert not Goal(at_most=1.3).met(1.31)
    assert Goal(at_least=2).met(2)


def test_a_missed_goal_stands_in_the_table(capsys: pytest.CaptureFixture[str]):
    publish(RESULT, Namespace(results=None, quick=True))
    printed = capsys.readouterr().out
    assert "| fast enough | ms | 5 | 4 to 9 | ≤ 5 | met |" in printed
    assert "| too slow | jobs/s | 299 | 298 to 301 | ≥ 300 | **missed** |" in printed
    assert "| only told |  | 12,346 | 12,346 to 12,346 |  |  |" in printed
    assert "clients 16." in printed
    assert "A note." in printed


def test_what_is_kept_has_every_round_and_the_machine(tmp_path: Path):
    publish(RESULT, Namespace(results=tmp_path, quick=True))
    kept = json.loads((tmp_path / "sample.json").read_text())
    assert kept["rows"][0] == {
        "what": "fast enough",
        "unit": "ms",
        "rounds": [5.0, 4.0, 9.0],
        "median": 5.0,
        "goal": "≤ 5",
        "met": True,
    }
    assert {"cpu", "cores", "memory_bytes", "system", "python", "torch", "valkey", "commit"} <= set(kept["machine"])
    assert kept["machine"]["valkey"]
    assert kept["machine"]["memory_bytes"] > 2**20


def test_numbers_have_three_digits_or_all_before_the_point():
    assert [number(value) for value in (0, 0.0123456, 1.2345, 99.94, 123.4, 98765.4)] == [
        "0", "0.0123", "1.23", "99.9", "123", "98,765",
    ]  # fmt: skip


def test_a_document_gets_the_tables_that_are_there(tmp_path: Path):
    publish(RESULT, Namespace(results=tmp_path, quick=True))
    text = "before\n<!-- bench: sample -->\nold\n<!-- end -->\nbetween\n<!-- bench: other -->\nstays\n<!-- end -->\n"
    table = markdown(json.loads((tmp_path / "sample.json").read_text()))
    once = filled(text, tmp_path)
    assert once == (
        f"before\n<!-- bench: sample -->\n\n{table}\n\n<!-- end -->\n"
        "between\n<!-- bench: other -->\nstays\n<!-- end -->\n"
    )
    assert filled(once, tmp_path) == once


def test_a_result_with_tables_of_its_own_is_shown_by_them(tmp_path: Path):
    (tmp_path / "peers.json").write_text(json.dumps({"name": "peers", "markdown": "its own"}))
    text = "<!-- bench: peers -->\nold\n<!-- end -->"
    assert filled(text, tmp_path) == "<!-- bench: peers -->\n\nits own\n\n<!-- end -->"


def test_the_document_shows_the_kept_results():
    assert list(RESULTS.glob("*.json"))
    text = DOCUMENT.read_text()
    assert filled(text, RESULTS) == text, "run `python -m bench.document`"
    assert all(f"<!-- bench: {kept.stem} -->" in text for kept in RESULTS.glob("*.json"))
