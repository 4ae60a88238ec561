"""The comment of a user in EXIF, where JPEG and WebP keep what a PNG keeps as text.

Follows two tables of a TIFF, https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf sections 4.5 and 4.6.5, and reads
one entry; nothing else of a hostile file is looked at.
"""

import struct

EXIF_HEAD = b"Exif\0\0"
"""Before the tables in a JPEG, and in some a WebP."""
_EXIF_TABLE, _USER_COMMENT = 0x8769, 0x9286
_UNICODE = b"UNICODE\0"


def user_comment(exif: bytes) -> str | None:
    """The text, None where there is none or the tables are damaged."""
    tiff = exif.removeprefix(EXIF_HEAD)
    order = {b"MM": ">", b"II": "<"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        table = _entry(tiff, order, first, _EXIF_TABLE)
        comment = _entry(tiff, order, table[1], _USER_COMMENT) if table else None
    except struct.error:
        return None
    return _text(tiff[comment[1] : comment[1] + comment[0]]) if comment else None


def _entry(tiff: bytes, order: str, table: int, wanted: int) -> tuple[int, int] | None:
    """How many values the entry has, and the value or its place. Raises struct.error where the table breaks off."""
    (entries,) = struct.unpack_from(f"{order}H", tiff, table)
    for index in range(entries):
        tag, _, count, value = struct.unpack_from(f"{order}HHII", tiff, table + 2 + 12 * index)
        if tag == wanted:
            return count, value
    return None


def _text(comment: bytes) -> str | None:
    """Behind eight bytes that name the encoding. UTF-16 is in either byte order, whatever the file's is."""
    head, text = comment[:8], comment[8:]
    if head == _UNICODE:
        little = text[1::2].count(0) > text[::2].count(0)
        return text.decode("utf-16-le" if little else "utf-16-be", "replace") or None
    return text.rstrip(b"\0").decode("utf-8", "replace") or None
