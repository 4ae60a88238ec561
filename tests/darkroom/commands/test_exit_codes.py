"""What a command ends with when it gets no answer, or one that is none of success."""

import sys
from pathlib import Path

import pytest

from darkroom.client.errors import CannotConnect
from darkroom.commands.connection import made, option_of
from darkroom.commands.exit_codes import of_status
from service.access.key_file import KeyLimits
from service.keys import add
from tests.darkroom.commands.conftest import Command
from tests.service.conftest import start_service, stop_service


def test_a_service_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    alone = Command(tmp_path, "http://127.0.0.1:1")
    left = alone("jobs", exit_code=3)
    assert (left.stdout, left.stderr.partition(" does not answer")[0]) == ("", "darkroom: http://127.0.0.1:1")
    assert alone("--url", command.url, "jobs", "--limit", "1", "--status", "failed", "--json").stdout.startswith("[")
    wrong = Command(tmp_path, "ftp://nowhere")("jobs", exit_code=2)
    assert wrong.stderr.startswith("darkroom: DARKROOM_URL, --url or DARKROOM_API_KEY: ")


def test_keys_and_bounds_have_codes_of_their_own(valkey_socket: Path, tmp_path: Path) -> None:
    """With the key from the environment, against a service that has no worker."""
    file = tmp_path / "keys.json"
    key = add(file, "alice", KeyLimits(max_queued_jobs=1))
    url = f"unix://{valkey_socket}?db=14"
    service = start_service(url, tmp_path / "data", DARKROOM_API_KEYS_FILE=str(file))
    try:
        unknown = Command(tmp_path, service.url)("generate", "a fox", exit_code=4)
        assert unknown.stderr.endswith("(unauthorized)\n")
        alice = Command(tmp_path, service.url, key)
        alice("generate", "a fox", "--no-wait")
        assert alice("generate", "a fox", exit_code=75).stderr.endswith("(too_many_queued_jobs)\n")
    finally:
        stop_service(service)


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4), (403, 4), (404, 5), (410, 5), (409, 2), (422, 2), (429, 75), (500, 3), (507, 3)]
)
def test_each_status_has_its_code(status: int, code: int) -> None:
    assert of_status(status) == code


@pytest.mark.parametrize(
    ("pointer", "option"),
    [
        ("/num_inference_steps", "--num-inference-steps"),
        ("/prompt", "PROMPT"),
        ("/prompt_weighting", "--prompt-weighting"),
        ("/labels/course", "--label"),
        ("/webhook/url", "--webhook-url"),
        ("/webhook/events/0", "--webhook-event"),
        ("/parameters/seed", "--seed"),
        ("/x/values/3", "--x"),
    ],
)
def test_a_pointer_is_told_as_the_option_that_it_means(pointer: str, option: str) -> None:
    assert option_of(pointer) == option


def test_a_job_that_was_made_is_named_when_the_service_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CannotConnect), made("019a"):
        raise CannotConnect("gone")
    assert "darkroom job 019a --wait -o …" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "library", "room"),
    [
        (("keys", "list"), "fastapi", "service"),
        (("models", "check"), "rq", "worker"),
        (("models", "pull", "x"), "rq", "worker"),
    ],
)
def test_what_is_done_where_nothing_is_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], library: str, room: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    told = Command(tmp_path, "")(*words, exit_code=1).stderr
    assert (
        told == f"darkroom: that is done by the {room}, which is not installed here: pip install 'darkroom[{room}]'\n"
    )
