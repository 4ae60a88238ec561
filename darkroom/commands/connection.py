"""The service that a command talks to, and what becomes of its errors: a line or a few, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from darkroom.commands.exit_codes import ExitCode, leave, of_status
from darkroom.commands.printing import tell

if TYPE_CHECKING:
    from darkroom.client import Darkroom
    from darkroom.client.errors import Problem

_OPTIONS = {
    "prompt": "PROMPT",
    "labels": "--label",
    "webhook": "--webhook-url",
    "webhook/url": "--webhook-url",
    "webhook/events": "--webhook-event",
}
"""Where an option has another name than its field."""


def url_of(ctx: typer.Context) -> str | None:
    """What --url says; the environment is the client's business."""
    url: str | None = ctx.find_root().params.get("url")
    return url


@contextmanager
def service(ctx: typer.Context) -> Iterator["Darkroom"]:
    """Whoever asks it in here ends with the exit code that its error has."""
    from darkroom.client import Darkroom, errors

    try:
        client = Darkroom(url_of(ctx), max_retries=0)
    except ValueError as error:
        tell(f"DARKROOM_URL, --url or DARKROOM_API_KEY: {error}")
        raise leave(ExitCode.REFUSED) from None
    with client:
        try:
            yield client
        except errors.Problem as problem:
            _tell_problem(problem)
            raise leave(of_status(problem.status)) from None
        except errors.DarkroomError as error:
            tell(str(error))
            raise leave(ExitCode.UNAVAILABLE) from None


@contextmanager
def made(job_id: str) -> Iterator[None]:
    """Whatever goes wrong with the service in here, the job is there, and is said to be."""
    from darkroom.client.errors import DarkroomError

    try:
        yield
    except DarkroomError:
        tell(f"job {job_id} was taken; once the service answers: darkroom job {job_id} --wait -o …")
        raise


def _tell_problem(problem: "Problem") -> None:
    for refusal in problem.errors:
        tell(f"{option_of(refusal.pointer)}: {refusal.detail}")
    if not problem.errors:
        tell(f"{problem.detail} ({problem.code})")


def option_of(pointer: str) -> str:
    """The option that a JSON pointer of the service means; what stands below a field is of the same option."""
    field, _, rest = pointer.removeprefix("/").removeprefix("parameters/").partition("/")
    below = rest.partition("/")[0]
    return _OPTIONS.get(f"{field}/{below}") or _OPTIONS.get(field) or "--" + field.replace("_", "-")
