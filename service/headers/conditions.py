"""The conditions of a request (RFC 9110, sections 13 and 14): which bytes the client has, and which part it wants.

Knows headers, tags and sizes; knows nothing of what the bytes are.
"""

import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from service.headers.byte_ranges import ByteRange, read_range

_ENTITY_TAG = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Conditions:
    """The headers as they came."""

    if_none_match: list[str]
    if_range: str | None
    ranges: str | None

    def has(self, etag: str) -> bool:
        """Whether the client has what the tag names; compared weakly, so `W/` makes no difference."""
        text = ", ".join(self.if_none_match)
        return text.strip() == "*" or etag in _ENTITY_TAG.findall(text)

    def part(self, etag: str, size: int) -> ByteRange | None:
        """The part that the client wants, None for the whole. Raises RangeNotSatisfiable."""
        if self.ranges is None or self.if_range not in (None, etag):
            return None
        return read_range(self.ranges, size)


def read_conditions(request: Request) -> Conditions:
    """Those that a request names."""
    headers = request.headers
    return Conditions(headers.getlist("if-none-match"), headers.get("if-range"), headers.get("range"))


CONDITION_PARAMETERS: list[dict[str, Any]] = [
    {"name": "If-None-Match", "in": "header", "schema": {"type": "array", "items": {"type": "string"}}},
    {
        "name": "If-Range",
        "in": "header",
        "description": "a strong ETag; otherwise `Range` is ignored",
        "schema": {"type": "string"},
    },
    {"name": "Range", "in": "header", "description": "one part, in `bytes`", "schema": {"type": "string"}},
]
"""As they stand in the OpenAPI document."""
