"""An ended job's pictures into files, and what is printed of it."""

from typing import TYPE_CHECKING

import typer

from darkroom.commands.destinations import Destination, Picture
from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.printing import print_json, tell
from darkroom.commands.terminal_picture import TerminalPicture

if TYPE_CHECKING:
    from darkroom.client import Darkroom, Job


def deliver(
    client: "Darkroom", job: "Job", destination: Destination, *, as_json: bool, picture: TerminalPicture | None = None
) -> None:
    """Saves, then prints the paths. A job without pictures ends with 1."""
    files = []
    for image in job.images:
        content = client.image(image, output_format=destination.output_format)
        extension = image.content_type.removeprefix("image/")
        count = job.parameters.num_images_per_prompt
        files.append(destination.save(content, Picture(job.id, extension, count, image.index, image.seed)))
        if picture is not None:
            picture.print(content)
    if as_json:
        print_json(job.model_dump(mode="json") | {"files": files})
    elif not destination.to_stdout:
        for file in files:
            typer.echo(file)
    for warning in job.warnings:
        tell(f"{warning.detail} ({warning.code})")
    if not files:
        tell(ending(job))
        raise leave(ExitCode.FAILED)


def ending(job: "Job") -> str:
    """How a job stands, in a line."""
    reason = f": {job.error.detail} ({job.error.code})" if job.error else ""
    return f"job {job.id} {job.status}{reason}"
