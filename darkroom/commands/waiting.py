"""Waiting for a job or a grid, with how it goes on standard error where that is a terminal; and Ctrl-C meanwhile."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import TYPE_CHECKING

from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.printing import tell
from darkroom.commands.terminal_picture import TerminalPicture

if TYPE_CHECKING:
    from darkroom.client import Darkroom, Grid, Job
    from darkroom.commands.progress import Shown

_LOOKS_SECONDS = (0.1, 0.2, 0.4)
"""How long the first looks at a job in line take: most are begun soon, and their first steps are worth seeing."""
_LOOK_SECONDS = 1.0
"""All others, and those at a grid."""


def wait_watched(client: "Darkroom", job: "Job", *, picture: TerminalPicture | None = None) -> "Job":
    """The ended job, however long it takes."""
    if not sys.stderr.isatty():
        return client.wait(job)
    from darkroom.client.events import Ended, Preview, Progressed
    from darkroom.commands.progress import Shown

    with Shown(picture) as shown:
        job = _until_taken(client, job, shown)
        for event in () if job.ended else client.stream(job, preview=picture is not None):
            if isinstance(event, Ended):
                return event.job
            if isinstance(event, Progressed):
                shown.steps(event.step, event.total)
            if isinstance(event, Preview):
                shown.preview(event.content)
    return client.wait(job)


def _until_taken(client: "Darkroom", job: "Job", shown: "Shown") -> "Job":
    """By a worker; or ended meanwhile."""
    from darkroom.client.errors import WaitTimeout

    for look in chain(_LOOKS_SECONDS, repeat(_LOOK_SECONDS)):
        if job.status != "queued":
            break
        shown.in_line(job)
        try:
            job = client.wait(job, look)
        except WaitTimeout as goes_on:
            job = goes_on.job
    return job


def grid_watched(client: "Darkroom", grid: "Grid") -> "Grid":
    """The grid when all its jobs have ended, however long it takes."""
    if not sys.stderr.isatty():
        return client.wait_grid(grid)
    from darkroom.client.errors import GridWaitTimeout
    from darkroom.commands.progress import Shown

    with Shown() as shown:
        while not grid.ended:
            shown.cells(grid)
            try:
                return client.wait_grid(grid, _LOOK_SECONDS)
            except GridWaitTimeout as goes_on:
                grid = goes_on.grid
    return grid


@contextmanager
def canceled_by_interrupt(cancel: Callable[[], object]) -> Iterator[None]:
    """A Ctrl-C in here cancels and says so. A second one, meanwhile, leaves at once.

    `cancel` submits once more, with the same Idempotency-Key: who presses it while the answer to a submit is on its way
    does not know the job yet, which is there all the same.
    """
    try:
        yield
    except KeyboardInterrupt:
        tell("canceling; Ctrl-C again leaves at once")
        cancel()
        tell("canceled; what runs ends at its next step")
        raise leave(ExitCode.INTERRUPTED) from None
