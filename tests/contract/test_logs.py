"""What a process writes, by a process that writes it."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

SECRET = "the-secret-prompt"
BEGIN = """
import logging, sys, threading, warnings
import structlog
from contract.errors import StoreError
from contract.logs import configure_logs
from contract.settings import read_log_settings
from redis.exceptions import ConnectionError
configure_logs("worker", read_log_settings())
log = structlog.get_logger("darkroom.worker")
secret = "the-secret-prompt"
def fail():
    try:
        raise ValueError(secret)
    except ValueError as error:
        raise KeyError(secret) from error
"""


def written(script: str, **environment: str) -> str:
    """All that the script writes."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout


def lines(script: str, **environment: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(script, **environment).splitlines()]


def test_an_event_is_one_line_of_json_that_says_when_how_grave_and_from_which_side() -> None:
    (line,) = lines("log.info('job_claimed', worker='w\\nw', owner='alice', job_id='1')")
    assert list(line) == ["timestamp", "level", "side", "event", "job_id", "owner", "worker"]
    assert line["timestamp"].endswith("Z")
    assert [line["level"], line["side"], line["event"], line["worker"]] == ["info", "worker", "job_claimed", "w\nw"]


def test_what_is_bound_is_on_every_line_and_the_standard_library_s_lines_have_the_same_form() -> None:
    script = """
with structlog.contextvars.bound_contextvars(job_id="1"):
    log.info("one")
    logging.getLogger("darkroom.worker").warning("two %s", "words")
log.info("three")
"""
    assert [(line["event"], line.get("job_id")) for line in lines(script)] == [
        ("one", "1"),
        ("two words", "1"),
        ("three", None),
    ]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("error", 1)])
def test_the_level_is_a_setting_and_libraries_are_never_heard_below_a_warning(level: str, count: int) -> None:
    script = """
for name in ("debug", "info", "warning", "error"):
    getattr(log, name)(name)
    if name in ("debug", "info"):
        getattr(logging.getLogger("uvicorn.error"), name)(name)
"""
    assert len(lines(script, DARKROOM_LOG_LEVEL=level)) == count


def test_the_console_s_lines_are_for_people() -> None:
    script = "log.info('job_claimed', job_id='1')\ntry:\n    fail()\nexcept KeyError:\n    log.exception('odd')"
    text = written(script, DARKROOM_LOG_FORMAT="console")
    claimed, odd, *traceback = text.splitlines()
    assert re.search(r"\[info +\] job_claimed +side=worker job_id=1$", claimed)
    assert "odd" in odd
    assert [line.split()[0] for line in traceback if not line.startswith("      ")] == ["KeyError", "ValueError"]
    assert SECRET not in text


def test_a_traceback_says_where_and_never_with_what() -> None:
    (line,) = lines("try:\n    fail()\nexcept KeyError:\n    log.exception('pipeline_failed')")
    assert [stack["error"] for stack in line["exception"]] == ["KeyError", "ValueError"]
    assert all(frame.startswith("<string>:") for stack in line["exception"] for frame in stack["frames"])
    assert line["exception"][0]["frames"][-1].endswith(" fail")
    assert SECRET not in str(line)


def test_an_error_s_words_are_written_where_they_are_known_to_be_harmless() -> None:
    script = """
for error in (StoreError("no\\nroom"), ConnectionError("refused"), ValueError(secret), OSError(2, secret, secret)):
    log.warning("failed", error=error)
"""
    said = [line["error"] for line in lines(script)]
    assert said == ["StoreError: no room", "ConnectionError: refused", "ValueError", "FileNotFoundError"]


def test_a_library_is_heard_without_its_words_unless_it_never_sees_a_request() -> None:
    script = """
logging.getLogger("uvicorn.error").error("cannot bind\\nto it")
logging.getLogger("transformers.tokenization").warning("too long: %s", secret)
logging.getLogger("asyncio").error("never retrieved: " + secret, exc_info=ValueError(secret))
"""
    bound, too_long, lost = lines(script)
    assert (bound["event"], bound["logger"], bound["message"]) == ("library", "uvicorn.error", "cannot bind to it")
    assert (too_long["logger"], too_long["where"]) == ("transformers.tokenization", "<string>:18")
    assert lost["exception"] == [{"error": "ValueError", "frames": []}]
    assert SECRET not in str((bound, too_long, lost))


def test_what_python_itself_would_print_is_a_line_without_words() -> None:
    script = """
class Odd:
    def __del__(self):
        raise ValueError(secret)
warnings.warn(secret)
thread = threading.Thread(target=fail, name="beat")
thread.start()
thread.join()
del thread
odd = Odd()
del odd
logging.getLogger("darkroom.worker").error("%d", secret)
fail()
"""
    text = written(script)
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert events == ["python_warning", "thread_failed", "error_ignored", "process_failed"]
    assert SECRET not in text


def test_a_line_that_cannot_be_written_is_lost_and_nobody_fails_for_it() -> None:
    # /dev/full has no room, ever.
    script = BEGIN + "sys.stderr = open('/dev/full', 'w', buffering=1)\nlog.error('lost')\nprint('went on')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "went on\n"


def test_settings_that_cannot_be_used_are_complained_of_in_the_default_form() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"DARKROOM_LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    line = json.loads(done.stderr)
    assert (done.returncode, line["event"]) == (78, "service_cannot_start")
    assert line["reason"] == "DARKROOM_LOG_FORMAT: Input should be 'auto', 'console' or 'json'"
