"""What a job is refused for, told by the names of the fields that the client of a dialect sent.

Knows refusals; the names are the dialects'.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from contract.errors import ParametersRefused, Refusal
from contract.parameters import JobRequest
from service.errors import ValidationFailed
from service.refusals import refusals_of

Rename = Callable[[str], str]
"""The JSON pointer in the client's body, from the one in a JobRequest."""


def job_request(fields: dict[str, Any]) -> JobRequest:
    """Of native fields. Raises ValidationFailed with pointers to them: for dialects whose errors rename them."""
    try:
        return JobRequest.model_validate(fields)
    except ValidationError as error:
        raise ValidationFailed(refusals_of(error)) from None


@contextmanager
def refused_as(rename: Rename) -> Iterator[None]:
    """Whatever of a JobRequest is refused in the block is ValidationFailed, or PromptRefused, with renamed pointers."""
    try:
        yield
    except ValidationError as error:
        raise ValidationFailed(_renamed(refusals_of(error), rename)) from None
    except ParametersRefused as error:
        raise ValidationFailed(_renamed(error.refusals, rename)) from None
    except ValidationFailed as error:
        raise type(error)(_renamed(error.refusals, rename)) from None


def _renamed(refusals: list[Refusal], rename: Rename) -> list[Refusal]:
    return [Refusal(rename(refusal.pointer), refusal.detail) for refusal in refusals]
