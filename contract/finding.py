"""What a check of `darkroom doctor` found. Knows nothing of what is checked, or of how it is shown."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["ok", "warning", "wrong", "skipped"]
"""`skipped`: not looked at, for a reason that is not the fault of what was to be looked at."""

_UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


class Finding(BaseModel):
    """In plain words; neither `found` nor `mend` holds a key, a password or a secret."""

    model_config = ConfigDict(frozen=True)

    check: str
    """What was looked at; the name stays, for programs that read it."""
    verdict: Verdict
    found: str
    mend: str | None = None
    """What to do about it: a command or a setting."""


def size(number: float) -> str:
    """Bytes, as people read them."""
    for unit, factor in _UNITS:
        if abs(number) >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number:.0f} bytes"
