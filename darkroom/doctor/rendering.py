"""Findings for people, on a terminal or in a file, and for programs. Knows nothing of what was looked at."""

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from darkroom.doctor.finding import Finding, Verdict

_MARKS: dict[Verdict, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "wrong": ("✗", "bold red"),
    "skipped": ("–", "dim"),
}
_WORST_FIRST: tuple[Verdict, ...] = ("wrong", "warning", "skipped", "ok")


def show(findings: Sequence[Finding]) -> None:
    """On standard output: with marks and colours where that is a terminal that has them, else as plain lines."""
    console = Console(highlight=False)
    if console.is_terminal and console.encoding.startswith("utf"):
        _show_marked(console, findings)
    else:
        print("\n".join(_plain(findings)))


def show_json(findings: Sequence[Finding]) -> None:
    """One document on standard output."""
    document = {"verdict": _verdict(findings), "findings": [finding.model_dump() for finding in findings]}
    print(json.dumps(document, indent=2))


def _show_marked(console: Console, findings: Sequence[Finding]) -> None:
    table = Table.grid(padding=(0, 1))
    for finding in findings:
        mark, style = _MARKS[finding.verdict]
        words = Text(finding.found)
        if finding.mend:
            words.append(f"\n  → {finding.mend}", style="cyan")
        table.add_row(Text(mark, style=style), Text(_name(finding), style="bold"), words)
    console.print(table)
    console.print(Text(_summary(findings)))


def _plain(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:8} {_name(finding):18} {finding.found}")
        if finding.mend:
            lines.append(f"{'':28}mend: {finding.mend}")
    return [*lines, _summary(findings)]


def _name(finding: Finding) -> str:
    return finding.check.replace("_", " ")


def _verdict(findings: Sequence[Finding]) -> Verdict:
    """The worst of them."""
    return next((verdict for verdict in _WORST_FIRST if any(each.verdict == verdict for each in findings)), "ok")


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in _WORST_FIRST if counts[verdict])
