"""The Prefer header (RFC 7240), of which one preference is known here: wait. Knows nothing of jobs."""

import re

from fastapi import Request

MAX_WAIT_SECONDS = 60

_QUOTED = re.compile(r'"(\d{1,9})"|"(?:[^"\\]|\\.)*"?')
_WAIT = re.compile(r"\s*wait\s*(?:=\s*(\d{1,9})\s*)?", re.IGNORECASE)


def preferred_wait(request: Request, bare: int | None = None) -> int | None:
    """Seconds, at most MAX_WAIT_SECONDS; None where there is no such preference. One that is none is ignored, as the
    RFC asks. `bare` are the seconds of a `wait` without a number; None: it is no such preference."""
    header = ",".join(request.headers.getlist("prefer"))
    # A comma or a semicolon in quotes divides nothing.
    for preference in _QUOTED.sub(lambda quoted: quoted[1] or '"', header).split(","):
        wait = _WAIT.fullmatch(preference.partition(";")[0])
        if wait and wait[1]:
            return min(int(wait[1]), MAX_WAIT_SECONDS)
        if wait and bare is not None:
            return bare
    return None
