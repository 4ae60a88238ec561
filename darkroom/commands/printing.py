"""Results on standard output, for people or for programs; everything else in lines on standard error.

Knows nothing of jobs. What a service or a file says may hold what moves a cursor: only what is printable is printed.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer


def printable(value: object) -> str:
    """On one line, without control characters. None is nothing."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else " " for character in text)


def tell(words: str) -> None:
    """Whoever sits there, not what reads the output."""
    typer.echo(f"darkroom: {printable(words)}", err=True)


def print_json(document: object) -> None:
    """As one document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_rows(names: Sequence[str], rows: Iterable[Sequence[object]], *, wide: str = "") -> None:
    """A table on a terminal, where the column `wide` is cut to what has room; else lines, separated by tabs."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(map(printable, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=name != wide)  # one that could wrap is the first to be made narrower
    for row in rows:
        table.add_row(*(Text(printable(cell), no_wrap=True, overflow="ellipsis") for cell in row))
    Console().print(table)


def print_fields(document: Mapping[str, Any]) -> None:
    """Everything in it: the path to a value, and the value."""
    fields = list(_flat(document))
    width = max((len(name) for name, _ in fields), default=0) if sys.stdout.isatty() else 0
    for name, value in fields:
        typer.echo(f"{name:{width}}  {printable(value)}" if width else f"{name}\t{printable(value)}")


def _flat(document: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, object]]:
    for name, value in document.items():
        if isinstance(value, list) and value:
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}{name}.")
        else:
            yield path + name, value
