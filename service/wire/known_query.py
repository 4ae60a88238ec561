"""A query may hold what the API document names for its operation, each once, unless it is a list; nothing else.

A parameter that is misspelt would otherwise be one that was never sent. Knows the document; knows nothing of values.
"""

from typing import Any

from fastapi import Request

from contract.errors import Refusal
from service.dependencies import owner_of
from service.errors import ValidationFailed


async def known_query(request: Request) -> None:
    """A dependency of every route; one that is not in the document takes any query. Raises ValidationFailed."""
    if not request.scope["query_string"]:
        return
    path = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    operation = path.get(request.method.lower())
    if operation is None:
        return
    known = {each["name"]: each["schema"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    refusals = []
    for name in dict.fromkeys(name for name, _ in request.query_params.multi_items()):
        if name not in known:
            refusals.append(Refusal("", "a parameter that this operation does not have (query)"))
        elif len(request.query_params.getlist(name)) > 1 and not _is_list(known[name]):
            refusals.append(Refusal(f"/{name}", "must be given once (query)"))
    if refusals and not (_needs_key(operation) and await owner_of(request) is None):
        raise ValidationFailed(refusals)


def _needs_key(operation: dict[str, Any]) -> bool:
    """A stranger is then told so, and nothing else."""
    return {} not in operation.get("security", [{}])


def _is_list(schema: dict[str, Any]) -> bool:
    return any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))
