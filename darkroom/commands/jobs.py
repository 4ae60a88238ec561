"""`darkroom jobs`, `job` and `cancel`: what is in line, runs or has ended."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from darkroom.commands import completion
from darkroom.commands.connection import service
from darkroom.commands.delivery import deliver, ending
from darkroom.commands.destinations import Destination
from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.generate import Force, Json, Output
from darkroom.commands.generation_options import labels_of
from darkroom.commands.printing import print_fields, print_json, print_rows, tell
from darkroom.commands.waiting import wait_watched

if TYPE_CHECKING:
    from darkroom.client import Job
    from darkroom.client.options import JobStatus

_COLUMNS = ("id", "status", "created_at", "model", "images", "prompt")
_NARROW_COLUMNS = ("id", "status", "age", "model", "prompt")
"""What has room on a terminal of 80 columns, beside an id that can be copied."""
_AGES = ((86_400, "d"), (3600, "h"), (60, "m"), (0, "s"))


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


def jobs(
    ctx: typer.Context,
    status: Annotated[list[Status] | None, typer.Option(help="Repeat it for any of several.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", autocompletion=completion.model_ids)] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Repeat it for all of several.", metavar="K=V")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    json: Json = False,
) -> None:
    """List your jobs, newest first.

    A table; or lines, with tabs between the columns, where standard output is no terminal.
    """
    wanted = cast("list[JobStatus]", [each.value for each in status or []])
    with service(ctx) as client:
        found = list(client.jobs(status=wanted, model=model, labels=labels_of(label), limit=limit))
    if json:
        print_json([job.model_dump(mode="json") for job in found])
    elif sys.stdout.isatty():
        print_rows(_NARROW_COLUMNS, map(_narrow_row, found), wide="prompt")
    else:
        print_rows(_COLUMNS, map(_row, found))


def _row(job: "Job") -> tuple[object, ...]:
    parameters = job.parameters
    created = f"{job.created_at:%Y-%m-%dT%H:%M:%SZ}"
    return job.id, job.status, created, parameters.model, parameters.num_images_per_prompt, parameters.prompt


def _narrow_row(job: "Job") -> tuple[object, ...]:
    return job.id, job.status, _age(job), job.parameters.model, job.parameters.prompt


def _age(job: "Job") -> str:
    seconds = max(0, int((datetime.now(UTC) - job.created_at).total_seconds()))
    return next(f"{seconds // (unit or 1)}{name}" for unit, name in _AGES if seconds >= unit)


def job(
    ctx: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="ID", autocompletion=completion.job_ids)],
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until it has ended; Ctrl-C leaves, the job goes on.")
    ] = False,
    output: Output = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Show all of a job, or save its pictures.

    With -o its pictures are saved, in the format that the name ends in, and where they are is printed.
    """
    destination = Destination(output, force)
    with service(ctx) as client:
        found = client.job(job_id)
        if output is not None:
            destination.check(found.parameters.num_images_per_prompt, as_json=json)
        if wait:
            found = wait_watched(client, found)
        if output is not None:
            deliver(client, found, destination, as_json=json)
            return
    document = found.model_dump(mode="json")
    print_json(document) if json else print_fields(document)
    if wait and found.status != "succeeded":
        tell(ending(found))
        raise leave(ExitCode.FAILED)


def cancel(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", autocompletion=completion.live_job_ids)],
    json: Json = False,
) -> None:
    """Cancel jobs.

    One in line ends at once, one that runs at its next step; one that has ended stays as it is.
    """
    with service(ctx) as client:
        found = [client.cancel(each) for each in ids]
    if json:
        print_json([job.model_dump(mode="json") for job in found])
    else:
        print_rows(("id", "status"), [(job.id, job.status) for job in found])
