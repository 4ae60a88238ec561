"""The Idempotency-Key header: a request that is sent again under its key is the same request.

As in the IETF draft draft-ietf-httpapi-idempotency-key-header-07. Knows headers and requests; knows nothing of Redis.
"""

import hashlib
import json
import re
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel

from contract.errors import Refusal
from service.errors import ValidationFailed

MAX_KEY_LENGTH = 255
_PRINTABLE = re.compile(r"[ -~\x80-\U0010ffff]+")


async def idempotency_key(request: Request) -> str | None:
    """The key as it was sent, None without one. Raises ValidationFailed for one that is no key."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1:
        raise ValidationFailed([Refusal("/Idempotency-Key", "must be sent once (header)")])
    if len(keys[0]) > MAX_KEY_LENGTH or not _PRINTABLE.fullmatch(keys[0]):
        detail = f"must be 1 to {MAX_KEY_LENGTH} characters without control characters (header)"
        raise ValidationFailed([Refusal("/Idempotency-Key", detail)])
    return keys[0]


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]

KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body within a day give the same job or grid.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
}
"""As it stands in the OpenAPI document."""


def digest(key: str) -> str:
    """The key as it stands in Redis: as long as any other, and no secret."""
    return hashlib.sha256(key.encode()).hexdigest()


def fingerprint(request: BaseModel) -> str:
    """The same for requests that ask for the same, before anything is filled in, however they are written."""
    asked = request.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
