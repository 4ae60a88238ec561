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
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    data_dir: Annotated[Path, typer.Option(help="Holds the queue and the images; made if missing.")] = Path("data"),
    device: Annotated[Device, typer.Option(help="What the model runs on.")] = Device.AUTO,
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


def _run_in_worker(verb: str, ids: list[str]) -> None:
    """Where torch is: nothing of the worker is imported here."""
    raise typer.Exit(subprocess.call([sys.executable, "-P", "-m", "worker.models", verb, *ids]))


def main() -> None:
    app()
