"""How a command ends, in a number that scripts can look at. Knows no command."""

from enum import IntEnum

import typer

EPILOG = """Exit codes:

\b
  0  done
  1  the job failed or was canceled, or a file could not be written
  2  refused, by this command or by the service
  3  the service cannot be reached, or answers 5xx
  4  not allowed: no key, or one that is not in force
  5  not found, or no longer kept
 75  too much at a time: try again later
130  Ctrl-C

The environment: DARKROOM_URL is the service's address, DARKROOM_API_KEY your key. A key is never an option: every user
of a machine can see the options of all processes."""


class ExitCode(IntEnum):
    """75 is EX_TEMPFAIL of sysexits.h, 130 what shells say of SIGINT, 2 what typer ends with itself."""

    FAILED = 1
    REFUSED = 2
    UNAVAILABLE = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    TRY_LATER = 75
    INTERRUPTED = 130


def of_status(status: int) -> ExitCode:
    """For an answer with that HTTP status of 400 and above."""
    if status in (401, 403):
        return ExitCode.NOT_ALLOWED
    if status in (404, 410):
        return ExitCode.NOT_FOUND
    if status == 429:
        return ExitCode.TRY_LATER
    return ExitCode.UNAVAILABLE if status >= 500 else ExitCode.REFUSED


def leave(code: ExitCode) -> typer.Exit:
    """To be raised."""
    return typer.Exit(int(code))
