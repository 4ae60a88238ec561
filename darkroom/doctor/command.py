"""`darkroom doctor`: its options and its exit code.

Knows nothing of what is looked at, and imports it only when asked: other commands load this file, too.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also load every model and draw with it: takes minutes.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Instead of DARKROOM_DATA_DIR, as `serve` was given it.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Instead of DARKROOM_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of DARKROOM_PORT.")] = None,
) -> None:
    """Say what is wrong with this installation, and how to mend it.

    Changes nothing. Ends with 1 where something is wrong, with 0 where all is well or but a warning.
    """
    from darkroom.doctor.examination import examine
    from darkroom.doctor.rendering import show, show_json
    from darkroom.doctor.settings import DoctorSettings

    given = {"data_dir": data_dir, "host": host, "port": None if port is None else str(port)}
    settings = DoctorSettings().model_copy(update={name: value for name, value in given.items() if value is not None})
    if not json and sys.stderr.isatty():
        typer.echo("looking around …", err=True)
    findings = examine(settings, deep=deep)
    if json:
        show_json(findings)
    else:
        show(findings)
    raise typer.Exit(int(any(finding.verdict == "wrong" for finding in findings)))
