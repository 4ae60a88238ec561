"""Files as other tools write them, each with a picture of 8 x 8."""

import io
import struct
import zlib
from typing import Any

import piexif
from piexif.helper import UserComment
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def png_with(texts: dict[str, str], *, packed: bool = False) -> bytes:
    chunks = PngInfo()
    for keyword, text in texts.items():
        chunks.add_text(keyword, text, zip=packed)
    return _saved("PNG", pnginfo=chunks)


def jpeg_with(comment: str) -> bytes:
    return _saved("JPEG", exif=_exif(UserComment.dump(comment, "unicode")))


def webp_with(comment: str) -> bytes:
    return _saved("WEBP", exif=_exif(UserComment.dump(comment, "unicode")))


def jpeg_with_comment_bytes(comment: bytes) -> bytes:
    return _saved("JPEG", exif=_exif(comment))


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG's head, these chunks, and its end."""
    head = (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (head, *chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_with_xmp(packet: bytes) -> bytes:
    return png_of((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))


def _exif(comment: bytes) -> bytes:
    written: bytes = piexif.dump({"Exif": {piexif.ExifIFD.UserComment: comment}})
    return written


def _saved(file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((8, 8)).convert("RGB").save(buffer, file_format, **options)
    return buffer.getvalue()
