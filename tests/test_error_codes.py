"""Every code that a client can meet is in docs/api.md with what to do, and nothing else is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import contract.errors
import service.errors
from contract import scripts
from contract.errors import DarkroomError, JobFailed
from service.errors import ServiceError

ROOT = Path(__file__).parents[1]
API = (ROOT / "docs" / "api.md").read_text()


def table(first_heading: str) -> list[list[str]]:
    """The rows of the table whose first column has that heading, without their outer bars."""
    lines = API[API.index(f"| {first_heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", cell)


def subclasses(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def own_codes(root: type) -> dict[str, type]:
    """The codes that classes below the root give themselves; each belongs to one class."""
    found = [each for each in subclasses(root) if "code" in vars(each)]
    by_code = {str(vars(each)["code"]): each for each in found}
    assert len(by_code) == len(found)
    return by_code


def written_by_scripts() -> set[str]:
    sources = Path(str(scripts.__file__)).parent.glob("*.lua")
    return {code for source in sources for code in re.findall(r"\bfail\(\w+, ['\"](\w+)['\"]", source.read_text())}


def test_the_ends_of_a_job_are_those_that_are_documented() -> None:
    documented = [code for first, *_ in table("`error.code`") for code in codes(first)]
    assert written_by_scripts() >= {"worker_crashed", "deadline_exceeded"}
    assert sorted(documented) == sorted({*own_codes(JobFailed), *written_by_scripts()})


def test_the_codes_of_problem_documents_are_those_that_are_documented_under_their_status() -> None:
    documented = [(int(status), *codes(cell)) for status, cell, *_ in table("Status")]
    raised = {(int(each.status), code) for code, each in own_codes(ServiceError).items()}
    assert sorted(documented) == sorted(raised | {(500, ServiceError.code)})


@pytest.mark.parametrize("heading", ["`error.code`", "Status"])
def test_every_code_says_what_to_do(heading: str) -> None:
    assert [row for row in table(heading) if len(row) != len(table(heading)[0]) or not row[-1]] == []


@pytest.mark.parametrize(("module", "root"), [(contract.errors, DarkroomError), (service.errors, ServiceError)])
def test_the_tree_at_the_top_of_the_module_is_the_tree_of_its_classes(module: object, root: type) -> None:
    drawn = {}
    parents = [root.__name__]
    for indent, name, rest in re.findall(r"^    ([│├└─ ]+)(\w+) *(.*)$", str(module.__doc__), re.MULTILINE):
        depth = len(indent) // 4
        parents[depth:] = [name]
        drawn[name] = (parents[depth - 1], rest)
    classes = {each.__name__: each for each in subclasses(root) if each.__module__ == module.__name__}  # type: ignore
    assert {name: parent for name, (parent, _) in drawn.items()} == {
        name: each.__bases__[0].__name__ for name, each in classes.items()
    }
    for name, (_, rest) in drawn.items():
        if "code" in vars(classes[name]):
            assert rest.split()[-1] == vars(classes[name])["code"]
