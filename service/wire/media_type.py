"""What a request calls its body. Knows headers; knows nothing of what a body holds."""

from email.message import Message
from functools import lru_cache

from fastapi import Request

from service.errors import UnsupportedMediaType


def check_media_type(request: Request, *taken: str) -> None:
    """Raises UnsupportedMediaType unless the body is one of those media types, as it is: in UTF-8, uncompressed."""
    media_type, charset = _read(", ".join(request.headers.getlist("content-type")))
    if media_type not in taken or charset != "utf-8":
        names = taken[0] if len(taken) == 1 else f"one of {', '.join(taken)}"
        raise UnsupportedMediaType(
            f"The Content-Type must be {names}, its charset UTF-8.", {"Accept": ", ".join(taken)}
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        detail = "A body is taken as it is, without a Content-Encoding."
        raise UnsupportedMediaType(detail, {"Accept-Encoding": "identity"})


@lru_cache(maxsize=16)  # of a few bytes nearly always, and all the same
def _read(content_type: str) -> tuple[str, str]:
    """The media type and the charset that a header names."""
    header = Message()
    header["Content-Type"] = content_type or "none"
    return header.get_content_type(), header.get_content_charset("utf-8")
