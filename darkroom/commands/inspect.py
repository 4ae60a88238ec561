"""`darkroom inspect`: from a picture back to the request."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from darkroom.commands.connection import service
from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.printing import print_fields, print_json, tell


def inspect(
    ctx: typer.Context,
    picture: Annotated[str, typer.Argument(help="A PNG, JPEG or WebP file; - reads it from standard input.")],
    json: Annotated[
        bool, typer.Option("--json", help="Print its parameters alone, as JSON that can be posted to /generate.")
    ] = False,
) -> None:
    """Show what made a picture: its prompt, seed and so on.

    As the file says it; files of other tools, too.
    """
    content = _read(picture)
    with service(ctx) as client:
        found = client.inspect(content)
    if json:
        print_json(dict(found.parameters))
    else:
        print_fields(found.model_dump(mode="json"))


def _read(picture: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if picture == "-" else Path(picture).read_bytes()
    except OSError as error:
        tell(f"{picture} cannot be read: {error.strerror}")
        raise leave(ExitCode.REFUSED) from None
