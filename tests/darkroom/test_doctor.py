"""`darkroom doctor`, as a user runs it, and what it sees of a running Darkroom."""

import fcntl
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from darkroom import valkey
from darkroom.doctor import rendering
from darkroom.doctor.examination import examine
from darkroom.doctor.finding import Finding
from darkroom.doctor.rooms import Report, Room
from darkroom.doctor.settings import DoctorSettings
from darkroom.doctor.surroundings import look_at_port, look_at_serve, look_at_service
from darkroom.doctor.variables import misspelt
from darkroom.settings import variables
from tests.conftest import ROOT, free_port

PASSWORD = "hunter2"
FINDINGS = [
    Finding(check="redis_memory", verdict="ok", found="1 MiB [used]"),
    Finding(check="store", verdict="wrong", found="no room", mend="make some"),
    Finding(check="keys", verdict="warning", found="none"),
    Finding(check="line", verdict="skipped", found="not looked at"),
]


def doctor(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "darkroom", "doctor", *options]
    whole = os.environ | {"PYTHONPATH": str(ROOT), "DARKROOM_DEVICE": "cpu"} | environment
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, timeout=100, check=False)


def test_everything_that_is_wrong_is_told_once_and_no_password(tmp_path: Path) -> None:
    settings = variables(
        redis_url=f"redis://:{PASSWORD}@127.0.0.1:1/0", prot="80", models=str(tmp_path / "none"), port=str(free_port())
    )
    done = doctor("--json", "--data-dir", str(tmp_path / "data"), **settings)
    assert (done.returncode, done.stderr) == (1, "")
    assert PASSWORD not in done.stdout
    document = json.loads(done.stdout)
    assert document["verdict"] == "wrong"
    found = [(each["check"], each["verdict"]) for each in document["findings"]]
    assert found[:2] == [("settings", "warning"), ("port", "ok")]
    assert document["findings"][0]["mend"] == "is DARKROOM_PORT meant?"
    assert found.count(("files", "wrong")) == 1  # both rooms read models.toml
    assert {("redis", "wrong"), ("line", "skipped"), ("store", "ok"), ("keys", "ok"), ("device", "ok")} < set(found)
    assert not (tmp_path / "data").exists()


def test_an_installation_that_is_well_is_told_in_plain_lines(tmp_path: Path) -> None:
    done = doctor("--data-dir", str(tmp_path), "--port", str(free_port()))
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert first == "ok       settings           every variable that is set can be used"
    assert f"no `darkroom serve` runs on {tmp_path}; it would start " in done.stdout
    assert "on the rung cpu" in done.stdout
    assert "wrong" not in last
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_marks_and_what_to_do_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    rendering.show(FINDINGS)
    shown = capsys.readouterr().out
    plain = Console(file=io.StringIO()).render_str(shown).plain
    assert "✗" in shown
    assert "1 MiB [used]" in shown
    assert "→ make some" in plain
    assert "1 wrong, 1 warning, 1 skipped, 1 ok" in shown


def test_a_file_gets_a_line_each_and_programs_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    rendering.show(FINDINGS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok       redis memory       1 MiB [used]"
    assert lines[1:3] == ["wrong    store              no room", f"{'':28}mend: make some"]
    rendering.show_json(FINDINGS)
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "wrong"
    assert document["findings"][0] == {"check": "redis_memory", "verdict": "ok", "found": "1 MiB [used]", "mend": None}


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("DARKROOM_PROT", "is DARKROOM_PORT meant?"),
        ("DARKROM_PORT", "is DARKROOM_PORT meant?"),
        ("darkroom_prot", "is DARKROOM_PORT meant?"),
        ("DARKROOM_XYZZY_QUUX", "unset it; docs/api.md lists what can be set"),
    ],
)
def test_a_variable_that_nobody_reads_is_told_with_the_nearest_name(name: str, mend: str) -> None:
    known = {"DARKROOM_PORT", "DARKROOM_HOST"}
    (finding,) = misspelt(["PATH", "darkroom_host", "DARKROOM_HOST", "PORT", name], known)
    assert (finding.found, finding.mend) == (f"nothing reads {name}", mend)


def room(folder: Path, text: str, seconds: float = 20) -> Report:
    """Of a room named `shed` whose checks are that program."""
    (folder / "shed").mkdir()
    (folder / "shed" / "doctor.py").write_text(text)
    return Room("shed", [], {"PYTHONPATH": str(folder)}).report(seconds)


def test_a_room_that_is_not_installed_is_not_wrong(tmp_path: Path) -> None:
    (finding,) = room(tmp_path, "import no_such_library").findings
    assert (finding.verdict, finding.found) == (
        "skipped",
        "the shed is not installed here: there is no no_such_library",
    )


def test_where_neither_room_is_installed_only_the_service_elsewhere_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redis.py").write_text("raise ModuleNotFoundError(\"No module named 'redis'\")")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    findings = examine(DoctorSettings(data_dir=tmp_path, port=str(free_port())), deep=False)
    assert [(each.check, each.verdict) for each in findings] == [
        ("settings", "ok"),
        ("service", "wrong"),
        ("service", "skipped"),
        ("worker", "skipped"),
    ]
    assert findings[1].mend == "start the service there, or mend DARKROOM_URL"


def test_a_room_that_breaks_off_is_wrong_and_what_it_told_counts(tmp_path: Path) -> None:
    program = f"""
import os, signal
print({json.dumps({"settings": ["DARKROOM_SHED"]})!r}, flush=True)
print("a library says something", 7, sep="\\n", flush=True)
print({FINDINGS[1].model_dump_json()!r}, flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
"""
    report = room(tmp_path, program)
    first, last = report.findings
    assert (report.settings, first) == ({"DARKROOM_SHED"}, FINDINGS[1])
    assert (last.verdict, last.found) == ("wrong", "the checks of the shed broke off: signal 11")


def test_a_room_that_hangs_is_ended(tmp_path: Path) -> None:
    program = f"import time; print({FINDINGS[0].model_dump_json()!r}, flush=True); time.sleep(60)"
    first, last = room(tmp_path, program, 1).findings
    assert (first, last.verdict) == (FINDINGS[0], "wrong")
    assert last.found == "the checks of the shed did not end within 1 s"


def test_a_serve_that_runs_is_known_by_its_lock(tmp_path: Path) -> None:
    url, finding = look_at_serve(tmp_path)
    assert (url, finding.verdict, "no `darkroom serve` runs" in finding.found) == (None, "ok", True)
    with (tmp_path / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        url, finding = look_at_serve(tmp_path)
    assert url == f"unix://{valkey.socket_path(tmp_path)}"
    assert finding.found == f"`darkroom serve` runs on {tmp_path}, with its own Valkey"


def test_a_port_that_is_taken_is_told_by_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert look_at_service(f"http://127.0.0.1:{port}", elsewhere=False) == []
        finding = look_at_port("127.0.0.1", port)
    assert (finding.verdict, "Address already in use" in finding.found) == ("wrong", True)
    assert look_at_port("127.0.0.1", free_port()).verdict == "ok"


@contextmanager
def answering(body: str) -> Iterator[str]:
    """A server that answers everything with that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"info": {"version": "1"}}'])
def test_something_else_than_darkroom_is_told(body: str) -> None:
    with answering(body) as url:
        (finding,) = look_at_service(url, elsewhere=False)
    assert (finding.verdict, finding.found) == ("wrong", f"something else than Darkroom answers at {url}")


def test_a_service_of_another_version_that_is_not_ready_is_told() -> None:
    report = {"status": "unavailable", "redis": "does not answer", "store": "ok", "workers": []}
    with answering(json.dumps(report | {"info": {"version": "0.0.1"}})) as url:
        first, second = look_at_service(url.replace("//", f"//user:{PASSWORD}@"), elsewhere=True)
    assert first.found == f"Darkroom 0.0.1 at {url}: Redis does not answer, store ok, workers: none"
    assert (first.verdict, second.verdict) == ("wrong", "warning")
    assert "the service is Darkroom 0.0.1, this command 0.1.0" in second.found


@pytest.mark.parametrize(("url", "found"), [("http://127.0.0.1:1", "cannot be reached"), ("127.0.0.1:1", "is no URL")])
def test_a_service_that_was_named_and_is_not_there_is_wrong(url: str, found: str) -> None:
    (finding,) = look_at_service(url, elsewhere=True)
    assert (finding.verdict, found in finding.found) == ("wrong", True)
