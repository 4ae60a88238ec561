"""A service with a prompt policy, asked over HTTP; and what of a text is found."""

import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from structlog.testing import capture_logs

from contract.errors import SettingsError
from service import followed_file
from service.errors import PromptRefused
from service.policy.prompt_policy import PromptPolicy, read_terms
from service.policy.terms import Terms, parse_term, words_of
from tests.conftest import ROOT, wait_until
from tests.service.conftest import Service, database, start_service, stop_service

POLICY = "# what is not drawn here\nforbidden\nblood*\n\nnot  that   # a phrase\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policy") / "terms.txt"


@pytest.fixture(scope="module")
def running(valkey_socket: Path, file: Path) -> Iterator[Service]:
    file.write_text(POLICY)
    settings = {"DARKROOM_PROMPT_POLICY": str(file), "DARKROOM_OWNER_REQUESTS_PER_MINUTE": "3"}
    service = start_service(database(valkey_socket), file.parent / "data", **settings)
    yield service
    stop_service(service)


@pytest.fixture
def policed(running: Service, file: Path, redis_url: str) -> Service:  # noqa: ARG001  # an empty queue for each
    file.write_text(POLICY)
    return running


def ask(service: Service, prompt: str, **more: object) -> httpx.Response:
    return service.http.post("/generate", json={"prompt": prompt} | more)


def test_a_prompt_with_a_term_is_refused_and_nothing_is_echoed(policed: Service, client: redis.Redis) -> None:
    answer = ask(policed, "a FORBIDDEN fox of 1871")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "prompt_refused"
    assert [each["pointer"] for each in problem["errors"]] == ["/prompt"]
    assert "forbidden" not in answer.text.lower()
    assert "1871" not in answer.text
    assert not [key for key in client.keys("*") if "job" in key]


def test_a_refused_prompt_counts_toward_no_bound(policed: Service) -> None:
    for _ in range(5):
        assert ask(policed, "forbidden").json()["code"] == "prompt_refused"
    assert [ask(policed, "a fox").status_code for _ in range(4)] == [202, 202, 202, 429]


def test_what_is_to_be_kept_out_of_a_picture_is_not_judged(policed: Service) -> None:
    assert ask(policed, "a fox", negative_prompt="forbidden, blood").status_code == 202


@pytest.mark.parametrize("prompt", ["forb(idden:1)", "forb[]idden", "forbidden(s:1.2)", "(not:1.2) that"])
def test_brackets_that_weigh_are_no_way_round(policed: Service, prompt: str) -> None:
    assert ask(policed, prompt, prompt_weighting=True).json()["code"] == "prompt_refused"


def test_brackets_that_weigh_make_no_term_of_other_words(policed: Service) -> None:
    assert ask(policed, "not (so:1.2) that", prompt_weighting=True).status_code == 202


def test_a_running_service_follows_the_file(policed: Service, file: Path) -> None:
    assert ask(policed, "a walrus").status_code == 202
    file.write_text("walrus")
    wait_until(lambda: ask(policed, "a walrus").status_code == 422, 3)


def terms(*texts: str) -> Terms:
    return Terms(parse_term(text) for text in texts)


@pytest.mark.parametrize(
    ("term", "found", "passed"),
    [
        ("sin", ["sin", "a sin.", "(sin:1.3)", "SIN", "sin_city"], ["sing", "basin", "s in"]),
        ("sin*", ["sin", "sing", "SINS"], ["basin", "si n"]),
        (
            "not that",
            ["Not, THAT!", "not\nthat", "do not that"],
            ["that not", "not so that", "not thatched", "knot that"],
        ),
        ("not tha*", ["not that", "not thatched"], ["nota that"]),
        ("strasse", ["Straße", "STRASSE", "ＳＴＲＡＳＳＥ"], ["strass"]),
        ("café", ["cafe", "CAFÉ", "cafe\u0301"], ["caf"]),
        (
            "naked",
            ["na\u200bked", "n\u00ada\u2060k\ufeffed", "na\u034fked", "n̶a̶k̶e̶d", "𝓷𝓪𝓴𝓮𝓭", "na\u3164ked"],
            ["nake d"],
        ),
        ("ж*", ["Жук"], ["x"]),
        ("18", ["aged 18", "１８"], ["180"]),
    ],
)
def test_what_a_term_finds_and_what_it_does_not(term: str, found: list[str], passed: list[str]) -> None:
    assert [text for text in found if not terms(term, "another").are_in(text)] == []
    assert [text for text in passed if terms(term, "another").are_in(text)] == []


def test_whatever_letter_there_is_a_term_finds_itself_in_either_case() -> None:
    letters = [chr(number) for number in range(sys.maxunicode + 1) if unicodedata.category(chr(number))[0] in "LN"]
    unlike = [each for each in letters if words_of(each) != words_of(unicodedata.normalize("NFD", each))]
    assert unlike == []
    apart = [
        each
        for each in letters
        if each.upper().lower() == each.lower() and words_of(each.upper()) != words_of(each.lower())
    ]
    assert apart == []


def test_no_terms_find_nothing(tmp_path: Path) -> None:
    file = tmp_path / "terms"
    file.write_bytes(b"\xef\xbb\xbf# none yet\r\n\r\n")
    assert not read_terms(file).are_in("none yet")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"caf\xe9\n", "it is not UTF-8"),
        (b"fine\n# comment\n*\n", "line 3: holds neither a letter nor a digit"),
        (b"fine\n!!! # what?\n", "line 2: holds neither a letter nor a digit"),
        (b"a*b\n", "line 1: `*` may stand at the end alone"),
        (b"a**\n", "line 1: `*` may stand at the end alone"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_line_and_reason(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "terms"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        read_terms(file)
    assert str(raised.value) == f"the prompt policy {file} cannot be used: {reason}"


def test_a_service_whose_policy_cannot_be_used_does_not_start(tmp_path: Path) -> None:
    settings = {"DARKROOM_PROMPT_POLICY": str(tmp_path / "none"), "DARKROOM_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "service"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == os.EX_CONFIG
    assert f"the prompt policy {tmp_path}/none cannot be used: No such file or directory" in done.stderr


def test_a_file_that_breaks_or_goes_leaves_the_former_terms_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_file, "_LOOK_SECONDS", 0)
    file = tmp_path / "terms"
    file.write_text("fox")
    policy = PromptPolicy(file)
    with capture_logs() as lines:
        for broken in ("fox\n*", None):
            file.write_text(broken) if broken else file.unlink()
            with pytest.raises(PromptRefused):
                policy.check("a fox")
    assert [line["reason"].partition("cannot be used: ")[2] for line in lines] == [
        "line 2: holds neither a letter nor a digit",
        "No such file or directory",
    ]
    file.write_text("hippo")
    policy.check("a fox")
    with pytest.raises(PromptRefused):
        policy.check("a hippo")
