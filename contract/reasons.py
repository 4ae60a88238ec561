"""What pydantic finds wrong, in words. What was sent is not among them. Knows nothing of what is validated."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def reason_of(problem: ErrorDetails) -> str:
    """Of one of its errors, without the word that pydantic puts before those of our own validators."""
    return problem["msg"].removeprefix("Value error, ")


def first_reason(error: ValidationError) -> str:
    """Of the first of its errors, behind the key that it is of."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {reason_of(first)}" if key else reason_of(first)
