"""Commands whose work is done where a room's own code is, in a process of its own. Imports no room."""

import subprocess
import sys
from importlib.util import find_spec
from typing import NoReturn

import typer

from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.printing import tell

_LIBRARIES = {"service": "fastapi", "worker": "rq"}
"""What is installed with a room and never without it."""


def run_in_room(module: str, *words: str) -> NoReturn:
    """`python -m module`; ends as that does, or with 1 where the room is not installed."""
    room = module.partition(".")[0]
    if find_spec(_LIBRARIES[room]) is None:
        tell(f"that is done by the {room}, which is not installed here: pip install 'darkroom[{room}]'")
        raise leave(ExitCode.FAILED)
    raise typer.Exit(subprocess.call([sys.executable, "-P", "-m", module, *words]))
