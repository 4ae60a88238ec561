"""The `darkroom` command: which commands there are. Each is in its own file; the work is done elsewhere.

Nothing is imported here that `darkroom --help` and a shell's completion could do without.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from darkroom.commands.exit_codes import EPILOG, ExitCode, leave
from darkroom.commands.generate import generate
from darkroom.commands.grid import grid
from darkroom.commands.inspect import inspect
from darkroom.commands.jobs import cancel, job, jobs
from darkroom.commands.keys import keys
from darkroom.commands.models import models
from darkroom.commands.printing import tell
from darkroom.doctor.command import doctor

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, epilog=EPILOG)


class Device(StrEnum):
    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


@app.callback()
def darkroom(
    url: Annotated[
        str | None,
        typer.Option(help="The service's address, instead of DARKROOM_URL; http://127.0.0.1:8000 if neither says."),
    ] = None,
) -> None:
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
    """Run it all on this machine.

    Valkey, the service and a worker. Ctrl-C stops them.
    """
    from darkroom.serve import CannotServe, Serve
    from darkroom.settings import ServeSettings

    try:
        Serve(host, port, data_dir, device.value, ServeSettings()).run()
    except CannotServe as error:
        tell(str(error))
        raise leave(ExitCode.FAILED) from None


app.command()(generate)
app.command()(grid)
app.command()(jobs)
app.command()(job)
app.command()(cancel)
app.command()(inspect)
app.command()(doctor)
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")


def main() -> None:
    app(prog_name="darkroom")
