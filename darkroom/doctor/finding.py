"""A finding, as the rooms print it and this command's own checks make it. Knows nothing of what is checked."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["ok", "warning", "wrong", "skipped"]


class Finding(BaseModel):
    """In plain words, without any secret; `mend` is a command or a setting."""

    model_config = ConfigDict(frozen=True)

    check: str
    verdict: Verdict
    found: str
    mend: str | None = None
