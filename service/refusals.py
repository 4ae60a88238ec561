"""What pydantic finds wrong, as refusals with JSON pointers. Knows nothing of what is validated."""

from collections.abc import Iterable

from pydantic import ValidationError

from contract.errors import Refusal
from contract.reasons import reason_of


def refusals_of(error: ValidationError) -> list[Refusal]:
    """Every field that cannot be taken; what was sent is not in it."""
    problems = error.errors(include_url=False, include_input=False)
    return [Refusal(_pointer(each["loc"]), reason_of(each)) for each in problems]


def _pointer(location: Iterable[int | str]) -> str:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    if parts[-1:] == ["[key]"]:  # pydantic's way to say that it is the name of the field, not its value
        del parts[-1]
    return "".join(f"/{part}" for part in parts)
