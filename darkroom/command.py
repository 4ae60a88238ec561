"""The `darkroom` command. Parses options; the work is done elsewhere."""

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from darkroom.serve import CannotServe, Serve
from darkroom.settings import ServeSettings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


class Device(StrEnum):
    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


@app.callback()
def darkroom() -> None:
    """Darkroom: text-to-image over HTTP, self-hosted and asynchronous."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="DARKROOM_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.", envvar="DARKROOM_PORT")] = 8000,
    data_dir: Annotated[
        Path, typer.Option(help="Holds the queue and the images; made if missing.", envvar="DARKROOM_DATA_DIR")
    ] = Path("data"),
    device: Annotated[Device, typer.Option(help="What the model runs on.", envvar="DARKROOM_DEVICE")] = Device.AUTO,
) -> None:
    """Run everything on this machine: Valkey, the service and a worker. Ctrl-C stops it."""
    try:
        Serve(host, port, data_dir, device.value, ServeSettings()).run()
    except CannotServe as error:
        typer.echo(f"darkroom: {error}", err=True)
        raise typer.Exit(1) from None


models = typer.Typer(no_args_is_help=True)
app.add_typer(models, name="models", help="The models of models.toml on this machine.")


@models.command()
def pull(ids: Annotated[list[str], typer.Argument(help="Ids of models.toml.")]) -> None:
    """Download hub models, so that the worker can load them without a network."""
    _run_in_worker("pull", ids)


@models.command()
def check(ids: Annotated[list[str] | None, typer.Argument(help="Ids of models.toml; all if none.")] = None) -> None:
    """Load every model and draw with it, shortly: does it run on this machine, and on which rung?"""
    _run_in_worker("check", ids or [])


keys = typer.Typer(no_args_is_help=True)
app.add_typer(
    keys, name="keys", help="The API keys of the service, in the file that DARKROOM_API_KEYS_FILE or --file names."
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
    _run_in_service("add", name, **limits, **{"--file": file})


@keys.command("list")
def list_keys(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    file: KeyFile = None,
) -> None:
    """Show names, dates and limits; the keys themselves are nowhere."""
    _run_in_service("list", *(["--json"] if json else []), **{"--file": file})


@keys.command()
def revoke(name: KeyName, file: KeyFile = None) -> None:
    """End a key, within two seconds. Its jobs stay, and are found again by a new key of that name."""
    _run_in_service("revoke", name, **{"--file": file})


def _run_in_service(*words: str, **options: object) -> None:
    """Where the key file is known: nothing of the service is imported here."""
    given = [f"{option}={value}" for option, value in options.items() if value is not None]
    raise typer.Exit(subprocess.call([sys.executable, "-P", "-m", "service.keys", *words, *given]))


def _run_in_worker(verb: str, ids: list[str]) -> None:
    """Where torch is: nothing of the worker is imported here."""
    raise typer.Exit(subprocess.call([sys.executable, "-P", "-m", "worker.models", verb, *ids]))


def main() -> None:
    app()
