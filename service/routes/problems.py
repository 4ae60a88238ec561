"""How the problem documents stand in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

from service.exception_handlers import PROBLEM_TYPE


class FieldProblem(BaseModel):
    """One field that cannot be taken; `pointer` is a JSON pointer into the body."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457, with a stable `code`."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route adds to its `responses` for the statuses that are its own.

    Those that any request can end with are added by service/openapi/document.py, where it makes a reference of each.
    """
    return {status: {"description": "A problem.", "content": {PROBLEM_TYPE: {}}} for status in statuses}
