"""The Range header of a request (RFC 9110, section 14), read for one part of some bytes.

Knows header text and sizes; knows nothing of what the bytes are.
"""

import re
from typing import NamedTuple

from service.errors import RangeNotSatisfiable

MAX_RANGES = 10
MAX_HEADER_BYTES = 1024

_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


class ByteRange(NamedTuple):
    """From `start`, up to and without `end`."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        """The Content-Range header of this part of `size` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def read_range(header: str, size: int) -> ByteRange | None:
    """The part of `size` bytes that a Range header asks for.

    None where the header is to be ignored: it is malformed, of another unit, or asks for several parts, which a server
    may send whole. Raises RangeNotSatisfiable for a part that is not there, and for more ranges than any client needs.
    """
    unit, _, text = header.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    if len(header) > MAX_HEADER_BYTES or text.count(",") >= MAX_RANGES:
        raise RangeNotSatisfiable(size)
    ranges = [each.strip() for each in text.split(",") if each.strip()]
    return _read_one(ranges[0], size) if len(ranges) == 1 else None


def _read_one(text: str, size: int) -> ByteRange | None:
    match = _RANGE.fullmatch(text)
    if match is None or text == "-":
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(size - int(last), 0)
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, min(int(last) + 1, size) if first and last else size)
