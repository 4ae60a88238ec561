"""Completes the document of an app's routes.

Every operation gets the problems that can end any request, its examples, and one shared copy of each schema: a route
declares what is its own. Knows the document's form; knows nothing of what a route does.
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.exception_handlers import PROBLEM_TYPE
from service.openapi.examples import PARAMETERS, SCHEMAS
from service.openapi.headers import EVERY_ANSWER, HEADERS
from service.openapi.problems import problem_components
from service.routes.problems import Problem

_SAFE = ("get", "head", "options")
_SCHEMAS = "#/components/schemas/"
_ANY_REQUEST = (400, 408, 413, 414, 421, 422, 431, 500)
_TAGS = [
    {"name": "jobs", "description": "Ask for pictures, and follow what becomes of them."},
    {"name": "grids", "description": "Jobs that differ in a parameter or two, as one."},
    {
        "name": "images",
        "description": "The pictures, in other formats and sizes too, and the way back to a request.",
    },
    {"name": "models", "description": "What a request can name."},
    {
        "name": "webhooks",
        "description": "What the service sends where a request says so, and what signs it.",
    },
    {"name": "health", "description": "Whether the service works, and how much it does. Needs no key."},
]
_DESCRIPTION = """\
A request is put in line and answered at once with its job; the job says when its pictures are there.

Every error is a problem document (RFC 9457) with a stable `code`. A query or a body may hold what is named here, each
once, and nothing else. `Accept` is looked at for pictures alone. Every path with `GET` has `HEAD`; every path answers
`OPTIONS` with its methods in `Allow`, as a 405 does.
"""


class DocumentedApi(FastAPI):
    """FastAPI, with the document as it is completed here."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _complete_document(self)
        return self.openapi_schema


def _complete_document(app: FastAPI) -> dict[str, Any]:
    """The document of the app as it is now. It depends on nothing but the code."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "The service that this document comes from."}],
        tags=_TAGS,
        routes=app.routes,
        webhooks=app.webhooks.routes,
    )
    components = document["components"]
    for path in document["paths"].values():
        for method, operation in path.items():
            _complete_operation(method, operation, components["schemas"])
    for path in document.get("webhooks", {}).values():
        for operation in path.values():
            _add_examples(operation["requestBody"])
            del operation["responses"]["422"]
    components["schemas"] |= {"Problem": Problem.model_json_schema(ref_template=_SCHEMAS + "{model}")}
    _lift(components["schemas"]["Problem"], components["schemas"])
    del components["schemas"]["HTTPValidationError"], components["schemas"]["ValidationError"]
    components["schemas"] = dict(sorted(components["schemas"].items()))
    components["responses"] = {_name(status): component for status, component in problem_components().items()}
    components["headers"] = HEADERS
    return document


def _complete_operation(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    responses = operation["responses"]
    guarded = {} not in operation.get("security", [{}])
    own = {int(status) for status, response in responses.items() if PROBLEM_TYPE in response.get("content", {})}
    statuses = own.union(_ANY_REQUEST, [401] if guarded else [], [] if method in _SAFE else [403])
    for status in statuses:
        content = responses.setdefault(str(status), {}).get("content", {})
        if content.keys() <= {PROBLEM_TYPE} or status == HTTPStatus.UNPROCESSABLE_ENTITY:
            responses[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    operation["responses"] = dict(sorted(responses.items()))
    for response in responses.values():
        if "$ref" not in response:
            response.setdefault("headers", {}).update(EVERY_ANSWER)
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
        if parameter["name"] in PARAMETERS:
            parameter["example"] = PARAMETERS[parameter["name"]]
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        for media in part.get("content", {}).values():
            _share_schema(media, schemas)
        _add_examples(part)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter may hold: one that is left out is no null, and none can be sent."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return schema
    (choice,) = choices
    return {**{name: each for name, each in schema.items() if name != "anyOf"}, **choice}


def _share_schema(media: dict[str, Any], schemas: dict[str, Any]) -> None:
    """A schema that stands in the operation goes to the components, with those that it brings along."""
    schema = media.get("schema", {})
    if "title" in schema and "properties" in schema:
        schemas[schema["title"]] = schema
        media["schema"] = {"$ref": _SCHEMAS + schema["title"]}
        _lift(schema, schemas)


def _lift(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    schemas |= schema.pop("$defs", {})
    _redirect(schema)
    for each in schemas.values():
        _redirect(each)


def _redirect(part: Any) -> None:
    """Every `#/$defs/…` in it, to the components."""
    if isinstance(part, dict):
        if str(part.get("$ref", "")).startswith("#/$defs/"):
            part["$ref"] = _SCHEMAS + part["$ref"].removeprefix("#/$defs/")
        for each in part.values():
            _redirect(each)
    elif isinstance(part, list):
        for each in part:
            _redirect(each)


def _add_examples(part: dict[str, Any]) -> None:
    for media in part.get("content", {}).values():
        name = media.get("schema", {}).get("$ref", "").removeprefix(_SCHEMAS)
        if name in SCHEMAS:
            media.setdefault("examples", SCHEMAS[name])


def _name(status: int) -> str:
    return f"Problem{status}"
