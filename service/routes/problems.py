"""How the problem documents stand in the OpenAPI document."""

from http import HTTPStatus
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
    """The `responses` of a route that can end with these statuses."""
    schema = Problem.model_json_schema()
    # The schema stands in the middle of a document, whose root a `#/$defs/` would be looked for in.
    del schema["$defs"]
    schema["properties"]["errors"]["anyOf"][0]["items"] = FieldProblem.model_json_schema()
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM_TYPE: {"schema": schema}}}
        for status in statuses
    }
