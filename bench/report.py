"""What a measurement found: rows of rounds, as a table in Markdown and as JSON with the machine's description.

Knows nothing of what was measured. A goal that was missed is printed as missed, and ends nothing.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from darkroom import valkey

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
_LOAD_BEFORE = round(os.getloadavg()[0], 1)
"""Of one minute, when the measurement began: what else the machine had to do. Afterwards it is our own."""
_LIBRARIES = ("torch", "diffusers", "fastapi", "uvicorn", "redis", "rq")


@dataclass(frozen=True)
class Goal:
    """A bound on the median of the rounds, itself allowed; one of the two."""

    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def __str__(self) -> str:
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"


@dataclass(frozen=True)
class Row:
    """One figure: its value in each round. Without a goal it is reported and not judged."""

    what: str
    unit: str
    rounds: Sequence[float]
    goal: Goal | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def met(self) -> bool | None:
        return self.goal.met(self.median) if self.goal else None

    def cells(self) -> tuple[str, ...]:
        low, high = (number(bound(self.rounds)) for bound in (min, max))
        met = {None: "", True: "met", False: "**missed**"}[self.met]
        return self.what, self.unit, number(self.median), f"{low} to {high}", str(self.goal or ""), met

    def document(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "rounds": [float(f"{value:.6g}") for value in self.rounds],
            "median": float(f"{self.median:.6g}"),
            "goal": str(self.goal) if self.goal else None,
            "met": self.met,
        }


@dataclass(frozen=True)
class Result:
    """One measurement. `name` is that of its file, `conditions` how it was run, `notes` what a reader must know."""

    name: str
    title: str
    rows: Sequence[Row]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "conditions": dict(self.conditions),
            "notes": list(self.notes),
            "table": [list(row.cells()) for row in self.rows],
            "rows": [row.document() for row in self.rows],
        }


def number(value: float) -> str:
    """Three digits, or all of those before the point."""
    if value and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def markdown(document: Mapping[str, Any]) -> str:
    """The table of a result, from its JSON: what is printed is what is kept."""
    head = ("", "", f"median of {len(document['rows'][0]['rounds'])}", "range", "goal", "")
    how = ", ".join(f"{name} {value}" for name, value in document["conditions"].items())
    where = f"{place(document['machine'])}, {document['date']}{'; ' + how if how else ''}."
    return "\n".join([f"**{document['title']}**", "", table([head, *document["table"]]), "", where, *document["notes"]])


def table(rows: Sequence[Sequence[str]]) -> str:
    """In Markdown; the first row is the head."""
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def place(machine: Mapping[str, Any]) -> str:
    """What a reader must know of the machine."""
    libraries = ", ".join(f"{name} {machine[name]}" for name in ("torch", "valkey"))
    gib = machine["memory_bytes"] / 2**30
    where = f"{machine['cpu']}, {machine['cores']} cores, {gib:.0f} GiB, load before {machine['load_before']}"
    return f"{where}, Python {machine['python']}, {libraries}"


def machine() -> dict[str, Any]:
    """Where the numbers come from."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_before": _LOAD_BEFORE,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "valkey": _valkey(),
        "commit": _commit(),
        **{name: version(name) for name in _LIBRARIES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _valkey() -> str:
    binary = valkey.find_binary()
    words = _said(binary, "--version").split() if binary else []
    return next((word.removeprefix("v=") for word in words if word.startswith("v=")), "")


def _commit() -> str:
    """With a + behind it where files differ from it; empty without git."""
    commit = _said("git", "rev-parse", "--short=12", "HEAD").strip()
    return commit + ("+" if commit and _said("git", "status", "--porcelain", "--untracked-files=no") else "")


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def options(description: str | None) -> argparse.ArgumentParser:
    """What every measurement can be asked."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="few of everything: whether it runs, not how fast")
    kept = f"{RESULTS.relative_to(ROOT)}, with --quick nowhere"
    parser.add_argument("--results", type=Path, help=f"where the JSON is kept (default: {kept})")
    return parser


@dataclass(frozen=True)
class Count:
    """How many of something a measurement makes; several numbers where it is made with each of them."""

    usual: int | Sequence[int]
    quick: int | Sequence[int]
    help: str | None = None


def command(description: str | None, measure: Callable[[argparse.Namespace], Result], **counts: Count) -> None:
    """Measures, with the counts that the command line asks for, and publishes what was found."""
    parser = options(description)
    for name, count in counts.items():
        several = None if isinstance(count.usual, int) else "+"
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, nargs=several, default=count.usual, help=count.help)
    asked = parser.parse_args()
    if asked.quick:
        vars(asked).update({name: count.quick for name, count in counts.items()})
    publish(measure(asked), asked)


def publish(result: Result, asked: argparse.Namespace) -> None:
    """Prints the table, and keeps the result."""
    document = result.document()
    print(markdown(document), flush=True)
    keep(document, asked)


def keep(document: Mapping[str, Any], asked: argparse.Namespace) -> None:
    """As JSON in a file of its name, in place of that of the last run."""
    folder: Path | None = asked.results or (None if asked.quick else RESULTS)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / f"{document['name']}.json").write_text(text + "\n")
