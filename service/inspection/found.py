"""What was found in a file, in our names but not yet judged. Knows nothing of limits or models on offer."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

_SHOWN = 200
"""Characters of a value that are shown."""
_MOST = 64


class Unmapped(BaseModel):
    """Something in a file that no request can be made of; `value` is its beginning, as text."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: str
    detail: str


@dataclass(frozen=True)
class Found:
    """`fields` are those of a request, with whatever the file says that they are."""

    software: str
    fields: dict[str, Any]
    index: int = 0
    model: str | None = None
    unmapped: list[Unmapped] = field(default_factory=list)


def unmapped(name: str, value: object, detail: str) -> Unmapped:
    return Unmapped(name=shown(name), value=shown(value), detail=detail)


def first_ones(several: list[Unmapped]) -> list[Unmapped]:
    """As many as an answer holds."""
    return several[:_MOST]


def shown(value: object) -> str:
    """The beginning of it as text that is valid Unicode: JSON in a file may hold half a surrogate."""
    try:
        text = str(value)
    except RecursionError:  # json goes as deep as repr, but not in every version of Python
        text = "nested too deep to be shown"
    return text[:_SHOWN].encode("utf-8", "replace").decode()
