"""What a shell offers behind an option: names that the service has, where it answers within a second; else nothing.

Which shell asks, settings know; how it asks is typer's.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from darkroom.commands.connection import url_of

if TYPE_CHECKING:
    from darkroom.client import Darkroom

ANSWER_SECONDS = 1.0
_RECENT_JOBS = 20


def model_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, lambda service: (model.id for model in service.models()))


def scheduler_names(ctx: typer.Context, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, lambda service: (scheduler.name for scheduler in service.schedulers()))


def style_names(ctx: typer.Context, incomplete: str) -> list[str]:
    return _offered(ctx, incomplete, lambda service: (style.name for style in service.styles()))


def job_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """The latest."""
    return _offered(ctx, incomplete, lambda service: (job.id for job in service.jobs(limit=_RECENT_JOBS)))


def live_job_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those that can be canceled."""
    return _offered(
        ctx,
        incomplete,
        lambda service: (job.id for job in service.jobs(status=("queued", "running"), limit=_RECENT_JOBS)),
    )


def _offered(ctx: typer.Context, incomplete: str, ask: Callable[["Darkroom"], Iterable[str]]) -> list[str]:
    """On a thread that is left behind after the second: a name that does not resolve has no timeout of its own."""
    from darkroom.client import Darkroom  # here, so that a slow machine's import takes nothing from the second
    from darkroom.client.errors import DarkroomError

    names: list[str] = []

    def answer() -> None:
        with (
            suppress(DarkroomError, ValueError),
            Darkroom(url_of(ctx), timeout_seconds=ANSWER_SECONDS, max_retries=0) as service,
        ):
            names.extend(ask(service))

    asking = threading.Thread(target=answer, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return [_as_typed(name) for name in list(names) if name.startswith(incomplete)]


def _as_typed(name: str) -> str:
    """bash takes what it is offered as it stands, where the other shells protect the spaces in it."""
    from darkroom.settings import CompletionSettings

    return name.replace(" ", "\\ ") if CompletionSettings().for_bash else name
