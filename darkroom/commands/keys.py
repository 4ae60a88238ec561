"""`darkroom keys`: the API keys of a service on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from darkroom.commands.rooms import run_in_room

keys = typer.Typer(
    no_args_is_help=True,
    help="Make, list and end API keys.\n\nIn the file that DARKROOM_API_KEYS_FILE or --file names.",
)

KeyName = Annotated[str, typer.Argument(help="Whose key: a to z, 0 to 9, _ and -. Jobs belong to this name.")]
KeyFile = Annotated[Path | None, typer.Option(help="Instead of DARKROOM_API_KEYS_FILE.")]


@keys.command()
def add(
    name: KeyName,
    max_queued_jobs: Annotated[int | None, typer.Option(min=1, help="Queued jobs at a time.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Requests for pictures per minute.")] = None,
    max_cost: Annotated[int | None, typer.Option(min=1, help="What one request may cost.")] = None,
    file: KeyFile = None,
) -> None:
    """Make a key and print it, this once; the file is made if missing. Limits not given are the service's.

    A name that was revoked and is added again finds its former jobs.
    """
    limits = {
        "--max-queued-jobs": max_queued_jobs,
        "--requests-per-minute": requests_per_minute,
        "--max-cost": max_cost,
    }
    _run("add", name, **limits, **{"--file": file})


@keys.command("list")
def list_keys(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    file: KeyFile = None,
) -> None:
    """Show names, dates and limits; the keys themselves are nowhere."""
    _run("list", *(["--json"] if json else []), **{"--file": file})


@keys.command()
def revoke(name: KeyName, file: KeyFile = None) -> None:
    """End a key, within two seconds. Its jobs stay, and are found again by a new key of that name."""
    _run("revoke", name, **{"--file": file})


def _run(*words: str, **options: object) -> None:
    """Where the key file is known."""
    given = [f"{option}={value}" for option, value in options.items() if value is not None]
    run_in_room("service.keys", *words, *given)
