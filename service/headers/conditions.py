"""The conditions of a request (RFC 9110, sections 13 and 14): which bytes the client has, and which part it wants.

Knows headers, tags and sizes; knows nothing of what the bytes are.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from service.headers.byte_ranges import ByteRange, read_range

_ENTITY_TAG = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Conditions:
    """The headers as they came."""

    if_none_match: Annotated[list[str] | None, Header()] = None
    if_range: Annotated[str | None, Header(description="a strong ETag; otherwise `Range` is ignored")] = None
    ranges: Annotated[str | None, Header(alias="Range", description="one part, in `bytes`")] = None

    def has(self, etag: str) -> bool:
        """Whether the client has what the tag names; compared weakly, so `W/` makes no difference."""
        text = ", ".join(self.if_none_match or ())
        return text.strip() == "*" or etag in _ENTITY_TAG.findall(text)

    def part(self, etag: str, size: int) -> ByteRange | None:
        """The part that the client wants, None for the whole. Raises RangeNotSatisfiable."""
        if self.ranges is None or self.if_range not in (None, etag):
            return None
        return read_range(self.ranges, size)


WithConditions = Annotated[Conditions, Depends()]
