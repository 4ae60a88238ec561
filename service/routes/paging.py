"""Lists page by page: the cursor in a query, and the link to the next page. Knows nothing of what is listed."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request

from contract.errors import Refusal
from service.errors import ValidationFailed

MAX_LIMIT = 100

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=40, description="`next_cursor` of the page before")]


def page_headers(request: Request, next_cursor: str | None) -> dict[str, str]:
    """A link to the next page of the same query, where there is one."""
    if not next_cursor:
        return {}
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.url.path}?{urlencode([*query, ("cursor", next_cursor)])}>; rel="next"'}


def encode_cursor(number: int | None) -> str | None:
    """None at the end."""
    if number is None:
        return None
    return urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int | None:
    """None from the beginning. Raises ValidationFailed."""
    if cursor is None:
        return None
    try:
        number = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (Error, ValueError):
        number = ""
    if not re.fullmatch(r"[0-9]{1,15}", number):
        raise ValidationFailed([Refusal("/cursor", "must be the next_cursor of a page (query)")])
    return int(number)
