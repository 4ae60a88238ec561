"""What an image file says beside its pixels: its size, its texts, its EXIF and XMP.

Walks over the parts of a PNG, JPEG or WebP and decodes no pixel. Pillow is not used: it decodes them to reach a text
behind them, and joins the EXIF parts of a JPEG in a time that grows with the square of their number. Everything is
bounded, and a file that breaks off is read up to there. Knows nothing of what the texts mean.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from contract.image_file import XMP_KEYWORD
from service.errors import NotAnImage
from service.inspection.exif_comment import EXIF_HEAD

MAX_TEXT_BYTES = 2**20
"""Of one text, unpacked."""
_MAX_PARTS = 50_000
_KEYWORDS = frozenset(
    (
        XMP_KEYWORD,
        "parameters",
        "prompt",
        "invokeai_metadata",
        "sd-metadata",
        "Dream",
        "Description",
        "Source",
        "Comment",
    )
)
_PNG = b"\x89PNG\r\n\x1a\n"
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
# Start of frame, of all kinds of JPEG; the three left out are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9


@dataclass
class ImageParts:
    """Width and height in pixels, 0 until they are found; the first of several texts with a keyword counts."""

    content_type: str
    width: int = 0
    height: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    keywords: set[str] = field(default_factory=set)
    """Of all texts that were looked at, those that are damaged or too large among them."""
    exif: bytes = b""
    xmp: bytes = b""


def read_parts(content: bytes) -> ImageParts:
    """Raises NotAnImage for what does not begin as a PNG, JPEG or WebP, or has no size."""
    try:
        parts = _read(memoryview(content))
    except struct.error:  # it ends within its first part
        parts = None
    if parts is None or not parts.width or not parts.height:
        raise NotAnImage("The body is no PNG, JPEG or WebP.")
    return parts


def _read(content: memoryview) -> ImageParts | None:
    head = bytes(content[:12])
    if head.startswith(_PNG):
        return _read_png(content)
    if head.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(content)
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return _read_webp(content)
    return None


def _read_png(content: memoryview) -> ImageParts:
    parts = ImageParts("image/png")
    for name, data in _chunks(content, len(_PNG), ">I4s", after=4):
        if name == b"IHDR" and not parts.width:
            parts.width, parts.height = struct.unpack_from(">II", data)
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            _keep_text(parts, name, bytes(data))
        elif name == b"eXIf" and not parts.exif:
            parts.exif = bytes(data[:MAX_TEXT_BYTES])
    return parts


def _keep_text(parts: ImageParts, kind: bytes, data: bytes) -> None:
    key, _, rest = data.partition(b"\0")
    keyword = key.decode("latin-1")
    if keyword not in _KEYWORDS or keyword in parts.keywords:
        return
    parts.keywords.add(keyword)
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]  # behind the language and the translated keyword
    else:
        packed, rest = kind == b"zTXt", rest[kind == b"zTXt" :]
    text = _unpacked(rest) if packed else rest
    if len(text) > MAX_TEXT_BYTES:
        return
    if keyword == XMP_KEYWORD:
        parts.xmp = parts.xmp or text
    else:
        parts.texts[keyword] = text.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")


def _unpacked(data: bytes) -> bytes:
    """Nothing where it is damaged; no more than a little above the bound where it is larger."""
    try:
        return zlib.decompressobj().decompress(data, MAX_TEXT_BYTES + 1)
    except zlib.error:
        return b""


def _read_jpeg(content: memoryview) -> ImageParts:
    parts = ImageParts("image/jpeg")
    for marker, data in _segments(content):
        if marker in _FRAMES and not parts.width:
            parts.height, parts.width = struct.unpack_from(">HH", data, 1)
        elif marker == 0xE1 and data[: len(EXIF_HEAD)] == EXIF_HEAD and not parts.exif:
            parts.exif = bytes(data)
        elif marker == 0xE1 and data[: len(_XMP_IN_JPEG)] == _XMP_IN_JPEG and not parts.xmp:
            parts.xmp = bytes(data[len(_XMP_IN_JPEG) :])
    return parts


def _segments(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Marker and data of each, up to the first scan."""
    position = 2
    for _ in range(_MAX_PARTS):
        if position + 4 > len(content) or content[position] != 0xFF:
            return
        marker = content[position + 1]
        if marker in (_SCAN, _END):
            return
        if marker == 0xFF:
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            (length,) = struct.unpack_from(">H", content, position + 2)
            yield marker, content[position + 4 : position + 2 + length]
            position += 2 + length


def _read_webp(content: memoryview) -> ImageParts:
    parts = ImageParts("image/webp")
    for name, data in _chunks(content, 12, "<4sI", after=0, even=True):
        if name in (b"VP8X", b"VP8 ", b"VP8L") and not parts.width:
            parts.width, parts.height = _webp_size(name, bytes(data[:10]))
        elif name == b"EXIF" and not parts.exif:
            parts.exif = bytes(data[:MAX_TEXT_BYTES])
        elif name == b"XMP " and not parts.xmp:
            parts.xmp = bytes(data[: MAX_TEXT_BYTES + 1])
    return parts


def _webp_size(name: bytes, data: bytes) -> tuple[int, int]:
    """From the first bytes of the chunk: RFC 9649, sections 2.7 and 3.4; RFC 6386, section 9.1."""
    if name == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 6)
    return width & 0x3FFF, height & 0x3FFF


def _chunks(
    content: memoryview, position: int, head: str, *, after: int, even: bool = False
) -> Iterator[tuple[bytes, memoryview]]:
    """Name and data of each; `after` bytes follow the data, whose length is rounded up where it is to be even."""
    for _ in range(_MAX_PARTS):
        if position + 8 > len(content):
            return
        first, second = struct.unpack_from(head, content, position)
        name, length = (first, second) if isinstance(first, bytes) else (second, first)
        yield name, content[position + 8 : position + 8 + length]
        position += 8 + length + (length & 1 if even else 0) + after
