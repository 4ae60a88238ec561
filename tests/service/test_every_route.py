"""What holds for every path, over HTTP: its methods, HEAD, OPTIONS, and what it says to anything else."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.app import create_api
from service.dialects.error_forms import error_form
from service.openapi.examples import PARAMETERS
from tests.service.conftest import Service, lasting
from tests.service.pictures import keep

DOCUMENTED: dict[str, dict[str, Any]] = create_api().openapi()["paths"]
METHODS: dict[str, set[str]] = {
    **{path: {method.upper() for method in operations} for path, operations in DOCUMENTED.items()},
    "/": {"GET"},
    "/docs": {"GET"},
    "/openapi.json": {"GET"},
    "/playground/main.js": {"GET"},
    "/static/favicon.png": {"GET"},
    "/sdapi/v1/options": {"GET", "POST"},
    "/sdapi/v1/progress": {"GET"},
    "/sdapi/v1/txt2img": {"POST"},
    "/sdapi/v1/upscalers": {"GET"},
    "/v1/images/generations": {"POST"},
    "/v1/models": {"GET"},
    "/v1/models/pocket": {"GET"},
    "/huggingface": {"POST"},
    "/huggingface/models/pocket": {"POST"},
    "/huggingface/models/acme/hippo": {"POST"},
    "/v1/predictions": {"GET", "POST"},
    "/v1/predictions/{job_id}": {"GET"},
    "/v1/predictions/{job_id}/cancel": {"POST"},
    "/v1/predictions/{job_id}/stream": {"GET"},
    "/v1/models/darkroom/pocket/predictions": {"POST"},
    "/v1/models/darkroom/pocket/versions/pocket": {"GET"},
    "/v1/webhooks/default/secret": {"GET"},
}
PATH = pytest.mark.parametrize("path", METHODS)
PROBLEM = "application/problem+json"


def error_type(path: str) -> str:
    """Of what is said to a request that cannot be."""
    return "application/json" if error_form(path) else PROBLEM


def allow(path: str) -> set[str]:
    return METHODS[path] | {"OPTIONS"} | ({"HEAD"} if "GET" in METHODS[path] else set())


def fill(path: str, job_id: str = PARAMETERS["job_id"]) -> str:
    return path.format(**PARAMETERS | {"job_id": job_id})


def told(answer: httpx.Response) -> set[str]:
    methods = answer.headers["allow"].split(", ")
    assert len(methods) == len(set(methods))
    return set(methods)


def called(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """What FastAPI calls for a request: the route and all that it depends on."""
    assert dependant.call is not None
    yield dependant.call
    for each in dependant.dependencies:
        yield from called(each)


def test_no_request_goes_by_way_of_a_thread() -> None:
    """FastAPI runs there whatever is not `async`, which takes longer than all that we do ourselves."""
    routes = [route for route in create_api().router.routes if isinstance(route, APIRoute)]
    assert len(routes) > len(DOCUMENTED)
    for route in routes:
        for each in called(route.dependant):
            assert inspect.iscoroutinefunction(each) or inspect.iscoroutinefunction(type(each).__call__), each


@PATH
def test_options_tells_the_methods_of_the_path(service: Service, path: str) -> None:
    answer = service.http.options(fill(path))
    assert (answer.status_code, answer.content) == (204, b"")
    assert told(answer) == allow(path)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@PATH
def test_any_other_method_is_refused_with_all_that_there_are(service: Service, path: str) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - allow(path):
        answer = service.http.request(method, fill(path))
        assert (answer.status_code, answer.headers["content-type"]) == (405, error_type(path))
        assert told(answer) == allow(path)
        if method != "HEAD" and not error_form(path):
            assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", sorted(METHODS.keys() - {"/"}))
def test_a_slash_too_many_leads_nowhere(service: Service, path: str) -> None:
    # A folder of files tells its methods, whatever the file.
    for method in ("GET", "POST") if path.startswith(("/static/", "/playground/")) else ("GET", "POST", "OPTIONS"):
        answer = service.http.request(method, fill(path) + "/")
        assert (answer.status_code, answer.headers["content-type"]) == (404, error_type(path))


@pytest.mark.parametrize("path", [path for path, methods in METHODS.items() if "GET" in methods])
@pytest.mark.parametrize("job", ["never", "queued", "ended"])
def test_head_is_get_without_the_body(service: Service, client: redis.Redis, path: str, job: str) -> None:
    job_id = PARAMETERS["job_id"]
    if job == "queued":
        job_id = service.submit()["id"]
    elif job == "ended":
        job_id = keep(service, client).job_id
    with service.http.stream("GET", fill(path, job_id)) as got:
        headers = lasting(got)
    head = service.http.head(fill(path, job_id))
    assert (head.status_code, head.content) == (got.status_code, b"")
    # The body's length is known where the answer is not a stream; how long a job has been there changes with it.
    changing = {"transfer-encoding"} | ({"content-length"} if path == "/metrics" else set())
    told_by_head = lasting(head)
    for name in changing:
        headers.pop(name, None)
        told_by_head.pop(name, None)
    assert told_by_head == headers
    assert service.http.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, operations in DOCUMENTED.items() for method in operations]
)
def test_a_parameter_that_an_operation_does_not_have_is_refused(service: Service, path: str, method: str) -> None:
    answer = service.http.request(method, fill(path), params={"unheard_of": "1"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert b"unheard_of" not in answer.content


@pytest.mark.parametrize("path", ["/nope", "/playground", "/static", "/static/../app.py", "/jobs/a/b/c", "//livez"])
def test_what_is_not_there_is_a_problem(service: Service, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        answer = service.http.request(method, httpx.URL(service.url, raw_path=path.encode()))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_file_that_is_not_there_is_a_problem(service: Service) -> None:
    for path in (
        "/static/nope",
        "/static/",
        "/playground/",
        "/static/nope/favicon.png",
        "/static//favicon.png",
    ):
        assert service.http.get(path).json()["code"] == "not_found"
