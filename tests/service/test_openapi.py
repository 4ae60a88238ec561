"""The API document: what the code says, whole, valid, and the same as docs/openapi.json."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from contract.webhook import WEBHOOK_EVENTS
from service.app import create_api
from service.errors import ServiceError, TryLater
from service.exception_handlers import PROBLEM_TYPE
from service.openapi.problems import EXAMPLES
from tests.conftest import ROOT

COMMITTED = ROOT / "docs" / "openapi.json"
DOCUMENT = create_api().openapi()
HIDDEN = {"/", "/playground", "/docs", "/openapi.json", "/static"}
"""Beside the routes of the dialects, which others document."""
ANY_REQUEST = {"400", "408", "413", "414", "421", "422", "431", "500"}


class Operation(NamedTuple):
    path: str
    method: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def operations(where: str = "paths") -> list[Operation]:
    return [
        Operation(path, method, content)
        for path, methods in DOCUMENT[where].items()
        for method, content in methods.items()
    ]


EVERY = pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    resolved: dict[str, Any] = found
    return resolved


def media(operation: Operation) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where, media type, and what stands there, for everything that is sent or answered but a picture or a form."""
    parts = {"request": operation.content.get("requestBody", {})} | operation.content["responses"]
    for where, part in parts.items():
        for media_type, content in resolve(part).get("content", {}).items():
            if not media_type.startswith(("image/", "multipart/", "application/octet-stream")):
                yield where, media_type, content


def examples(content: dict[str, Any]) -> list[Any]:
    return [each["value"] for each in content.get("examples", {}).values()] + (
        [content["example"]] if "example" in content else []
    )


def mistakes(schema: dict[str, Any], value: Any) -> list[str]:
    whole = schema | {"components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_the_document_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert DOCUMENT["info"]["version"] == project["version"]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_committed_document_is_the_one_that_the_code_makes(seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": seed, "DARKROOM_MODELS": "/nowhere", "DARKROOM_PORT": "x"}
    command = [sys.executable, "-m", "service.openapi"]
    made = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    assert COMMITTED.read_text() == made, "docs/openapi.json is of another state of the code: run `make openapi`"


def test_the_document_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_every_route_is_in_the_document_or_meant_to_be_hidden() -> None:
    routes = iter_route_contexts(create_api().routes)
    paths = {route.path for route in routes if not is_of_a_dialect(getattr(route.original_route, "endpoint", None))}
    assert paths - set(DOCUMENT["paths"]) == HIDDEN


@EVERY
def test_an_operation_has_a_plain_id_a_summary_and_one_tag(operation: Operation) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", operation.content["operationId"])
    assert operation.content["summary"]
    (tag,) = operation.content["tags"]
    assert tag in [each["name"] for each in DOCUMENT["tags"]]


def test_no_two_operations_have_the_same_id() -> None:
    ids = [each.content["operationId"] for each in [*operations(), *operations("webhooks")]]
    assert sorted(ids) == sorted(set(ids))


@EVERY
def test_an_operation_names_the_problems_that_it_can_end_with(operation: Operation) -> None:
    statuses = set(operation.content["responses"])
    assert statuses >= ANY_REQUEST
    assert ("401" in statuses) == ("security" in operation.content and operation.path != "/readyz")
    assert ("403" in statuses) == (operation.method not in ("get", "head"))
    assert ("415" in statuses) == ("requestBody" in operation.content)
    # The settings can take /metrics away.
    assert ("404" in statuses) == ("{" in operation.path or operation.path == "/metrics")
    # None of its own: FastAPI's default would say that the route can do what it cannot.
    assert any(status < "400" for status in statuses)


@EVERY
def test_a_problem_is_a_shared_one(operation: Operation) -> None:
    for status, response in operation.content["responses"].items():
        if status >= "400" and not (status == "503" and operation.path == "/readyz"):
            assert response == {"$ref": f"#/components/responses/Problem{status}"}


@EVERY
def test_what_is_sent_and_answered_is_a_shared_schema_with_an_example(operation: Operation) -> None:
    for where, media_type, content in media(operation):
        if media_type.endswith("json"):
            assert list(content["schema"]) == ["$ref"], where
        assert examples(content), f"{where}: add one to service/openapi/examples.py"


@pytest.mark.parametrize("operation", [*operations(), *operations("webhooks")], ids=lambda operation: operation.name)
def test_the_examples_are_what_their_schemas_say(operation: Operation) -> None:
    for where, _, content in media(operation):
        for example in examples(content):
            assert mistakes(content["schema"], example) == [], where
    for parameter in operation.content.get("parameters", ()):
        for example in examples(parameter):
            assert mistakes(parameter["schema"], example) == [], parameter["name"]


@EVERY
def test_a_parameter_of_the_path_is_shown_by_example(operation: Operation) -> None:
    for parameter in operation.content.get("parameters", ()):
        if parameter["in"] == "path":
            assert "example" in parameter, f"add {parameter['name']} to PARAMETERS in service/openapi/examples.py"
        assert {"type": "null"} not in parameter["schema"].get("anyOf", [])


def test_the_headers_of_answers_are_described_by_example() -> None:
    for name, header in DOCUMENT["components"]["headers"].items():
        assert mistakes(header["schema"], header["example"]) == [], name
    used = set(re.findall(r"'#/components/headers/([^']+)'", str(DOCUMENT)))
    assert used == set(DOCUMENT["components"]["headers"])


def test_a_link_leads_to_an_operation_that_takes_what_it_gives() -> None:
    known = {
        each.content["operationId"]: {parameter["name"] for parameter in each.content.get("parameters", ())}
        for each in operations()
    }
    links = [
        link
        for operation in operations()
        for response in operation.content["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    for link in links:
        assert set(link["parameters"]) <= known[link["operationId"]]


def is_of_a_dialect(part: object) -> bool:
    return getattr(part, "__module__", "").startswith("service.dialects.")


def every_error(kind: type[ServiceError]) -> set[type[ServiceError]]:
    kinds = {kind}.union(*(every_error(each) for each in kind.__subclasses__())) - {TryLater}
    return {each for each in kinds if not is_of_a_dialect(each)}


def test_every_error_of_the_service_is_shown_under_its_status() -> None:
    assert {type(each) for each in EXAMPLES} == every_error(ServiceError)
    named = {status for operation in operations() for status in operation.content["responses"] if status >= "400"}
    # A 405 ends what is no operation.
    assert {str(int(each.status)) for each in EXAMPLES} - named == {"405"}


def test_the_shared_problems_are_problem_documents() -> None:
    for name, response in DOCUMENT["components"]["responses"].items():
        (content,) = response["content"].items()
        assert content[0] == PROBLEM_TYPE
        for example in examples(content[1]):
            assert mistakes(content[1]["schema"], example) == []
            assert name == f"Problem{example['status']}"


def test_a_webhook_says_what_its_headers_and_body_are() -> None:
    assert set(DOCUMENT["webhooks"]) == set(WEBHOOK_EVENTS)
    for operation in operations("webhooks"):
        names = [each["name"] for each in operation.content["parameters"]]
        assert names == ["webhook-id", "webhook-timestamp", "webhook-signature"]
        assert list(operation.content["responses"]) == ["204"]
        (content,) = operation.content["requestBody"]["content"].values()
        assert content["schema"] == {"$ref": "#/components/schemas/WebhookMessage"}
        assert examples(content)


def test_the_document_tells_who_may_copy_it_and_no_machine() -> None:
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]
    assert str(ROOT) not in str(DOCUMENT)
