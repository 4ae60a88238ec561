"""The `darkroom` command. Parses options; the work is done elsewhere."""

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


def main() -> None:
    app()
