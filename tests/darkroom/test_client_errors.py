"""Every way to fail that the service has is an error of its own in the client."""

import email.utils
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from contract.errors import JobFailed as ContractJobFailed
from darkroom.client import errors
from darkroom.client.errors import DarkroomError, JobCanceled, JobFailed, Problem, ServerError, not_succeeded
from darkroom.client.exchange import error_of
from service.errors import ServiceError
from tests.darkroom.documents import a_job, problem
from tests.test_error_codes import own_codes, subclasses, written_by_scripts

PROBLEMS = {code: int(kind.status) for code, kind in own_codes(ServiceError).items()} | {ServiceError.code: 500}  # type: ignore[attr-defined]


def drawn() -> Iterator[tuple[str, str, list[str]]]:
    """The tree at the top of the module: each error, its parent, the words behind it."""
    parents = ["DarkroomError"]
    for indent, name, rest in re.findall(r"^    ([│├└─ ]+)(\w+) *(.*)$", str(errors.__doc__), re.MULTILINE):
        depth = len(indent) // 4
        parents[depth:] = [name]
        yield name, parents[depth - 1], rest.split()


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes() -> None:
    classes = {each.__name__: each for each in subclasses(DarkroomError)}
    tree = list(drawn())
    assert {name: parent for name, parent, _ in tree} == {
        name: each.__bases__[0].__name__ for name, each in classes.items()
    }
    said = {name: " ".join(words) for name, _, words in tree}
    for code, kind in JobFailed.classes.items():
        assert said[kind.__name__] == code
    for name, kind in classes.items():
        if issubclass(kind, Problem) and kind is not Problem:
            statuses = [str(status) for status, each in Problem.by_status.items() if each is kind]
            codes = [code for code, each in Problem.by_code.items() if each is kind]
            assert said[name] == " ".join(statuses + codes)


def test_the_codes_are_those_of_the_service() -> None:
    assert set(Problem.by_code) == set(PROBLEMS)
    assert set(JobFailed.classes) == {*own_codes(ContractJobFailed), *written_by_scripts()}


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_a_problem_is_raised_as_its_own_class(code: str) -> None:
    status = PROBLEMS[code]
    error = error_of(problem(status, code))
    assert type(error) is Problem.by_code[code]
    assert isinstance(error, Problem.by_status[status])
    assert (error.status, error.code, error.detail) == (status, code, "why")
    assert str(error) == f"{status} {code}: why"


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 429, 503, 507])
def test_a_code_that_a_newer_service_adds_is_an_error_of_its_status(status: int) -> None:
    error = error_of(problem(status, "brand_new", colour="red"))
    assert type(error) is Problem.by_status[status]
    assert isinstance(error, Problem)
    assert error.code == "brand_new"


def test_a_status_that_is_not_known_is_a_problem_all_the_same() -> None:
    assert type(error_of(problem(418, "teapot"))) is Problem
    assert type(error_of(problem(599, "worse"))) is ServerError


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"null", b"\xff", b'{"code": 1}', b'{"code": "x", "detail": 1, "errors": 7}']
)
def test_an_answer_that_is_no_problem_document_is_told_by_its_status(body: bytes) -> None:
    error = error_of(httpx.Response(502, content=body))
    assert type(error) is ServerError
    assert str(error) == "502 http_502: Bad Gateway"


def test_a_redirect_is_not_followed_and_says_what_may_be_wrong() -> None:
    error = error_of(httpx.Response(308, headers={"Location": "https://elsewhere.example/"}))
    assert str(error) == "308 http_308: Permanent Redirect; redirects are not followed, is base_url right?"


def test_a_problem_says_all_that_the_answer_does() -> None:
    answer = problem(422, "validation_failed", errors=[{"pointer": "/width", "detail": "too wide"}])
    answer.headers.update({"X-Request-ID": "r1", "Retry-After": "7"})
    error = error_of(answer)
    assert isinstance(error, errors.ValidationFailed)
    assert [(each.pointer, each.detail) for each in error.errors] == [("/width", "too wide")]
    assert (error.request_id, error.retry_after_seconds) == ("r1", 7)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0),
        ("soon", None),
        ("1.5", None),
        ("-1", None),
        ("²", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    error = error_of(httpx.Response(503, headers=[(b"Retry-After", text.encode())]))
    assert isinstance(error, Problem)
    assert error.retry_after_seconds == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    date = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    error = error_of(httpx.Response(503, headers={"Retry-After": date}))
    assert isinstance(error, Problem)
    assert 90 < (error.retry_after_seconds or 0) <= 100


@pytest.mark.parametrize("code", sorted(JobFailed.classes))
def test_a_job_that_failed_is_raised_as_its_code_says(code: str) -> None:
    job = a_job(status="failed", error={"code": code, "detail": "why"})
    error = not_succeeded(job)
    assert type(error) is JobFailed.classes[code]
    assert isinstance(error, JobFailed)
    assert (error.job, error.code, error.detail) == (job, code, "why")
    assert str(error) == f"job {job.id} failed, {code}: why"


def test_the_other_ends_of_a_job() -> None:
    assert type(not_succeeded(a_job(status="failed", error={"code": "brand_new", "detail": ""}))) is JobFailed
    assert type(not_succeeded(a_job(status="canceled"))) is JobCanceled
    assert not_succeeded(a_job(status="succeeded")) is None


def test_errors_print_no_prompt_and_can_be_sent_to_another_process() -> None:
    job = a_job(status="failed", error={"code": "out_of_memory", "detail": "why"})
    for error in (not_succeeded(job), errors.WaitTimeout(job), error_of(problem(409, "job_not_ended"))):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
        assert job.parameters.prompt not in repr(error)
