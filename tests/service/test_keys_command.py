"""`darkroom keys`, as a user runs it."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.access.api_keys import ApiKeys
from service.access.key_file import KeyLimits
from service.access.owners import Owner
from service.keys import KeysRefused, add
from tests.conftest import ROOT

ADD_TWENTY = """
import sys
from pathlib import Path
from service.access.key_file import KeyLimits
from service.keys import add
for number in range(20):
    print(add(Path(sys.argv[1]), f"{sys.argv[2]}-{number}", KeyLimits()))
"""
DARKROOM_KEYS = ("darkroom", "keys")
KEY = re.compile(r"dk_[A-Za-z0-9_-]{43}\n")


def keys(
    *arguments: str, file: Path | None = None, command: tuple[str, ...] = ("service.keys",)
) -> subprocess.CompletedProcess[str]:
    """`file` is what DARKROOM_API_KEYS_FILE names."""
    return subprocess.run(
        [sys.executable, "-m", *command, *arguments],
        cwd=ROOT,
        env=os.environ | ({"DARKROOM_API_KEYS_FILE": str(file)} if file else {}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_key_is_made_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    file = tmp_path / "new" / "keys.json"
    limits = ("--max-queued-jobs", "3", "--requests-per-minute", "60", "--max-cost", "9")
    added = keys("add", "alice", *limits, file=file, command=DARKROOM_KEYS)
    assert added.returncode == 0, added.stderr
    assert KEY.fullmatch(added.stdout)
    key = added.stdout.strip()
    assert ApiKeys(file).find(key) == Owner("alice", 3, 60, 9)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in added.stderr + file.read_text()
    assert "Authorization: Bearer" in added.stderr
    assert "Start the service" not in added.stderr

    listed = keys("list", file=file)
    assert re.fullmatch(r"alice +\d{4}-\S+Z  max_queued_jobs=3 requests_per_minute=60 max_cost=9\n", listed.stdout)
    (entry,) = json.loads(keys("list", "--json", file=file, command=DARKROOM_KEYS).stdout)["keys"]
    assert (entry["name"], entry["limits"]["max_cost"], "hash" in entry) == ("alice", 9, False)

    assert keys("revoke", "alice", "--file", str(file), command=DARKROOM_KEYS).returncode == 0
    assert ApiKeys(file).find(key) is None
    assert keys("list", file=file).stdout == "no keys\n"
    assert sorted(path.name for path in file.parent.iterdir()) == ["keys.json", "keys.json.lock"]


def test_a_file_that_the_service_would_not_look_into_is_said_to_need_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    for configured in (None, tmp_path / "other.json"):
        added = keys("add", f"alice-{configured is None}".lower(), "--file", str(file), file=configured)
        assert added.returncode == 0, added.stderr
        assert f"Start the service with DARKROOM_API_KEYS_FILE={file}" in added.stderr
    assert not (tmp_path / "other.json").exists()


def test_a_name_that_is_taken_keeps_its_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = keys("add", "alice", file=file).stdout.strip()
    again = keys("add", "alice", file=file, command=DARKROOM_KEYS)
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is a key named 'alice' already" in again.stderr
    assert ApiKeys(file).find(key) == Owner("alice")


@pytest.mark.parametrize("name", ["Alice", "", "a" * 65, "ä", "_a", "a b", "anonymous"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysRefused, match=f"^{name!r} cannot name a key: "):
        add(tmp_path / "keys.json", name, KeyLimits())
    assert not (tmp_path / "keys.json").exists()


def test_what_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert f"the key file {file} cannot be used: No such file" in keys("revoke", "alice", file=file).stderr
    keys("add", "bob", file=file)
    revoked = keys("revoke", "alice", file=file)
    assert (revoked.returncode, "there is no key named 'alice'" in revoked.stderr) == (1, True)


def test_a_broken_file_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{")
    for arguments in (("add", "alice"), ("list",)):
        done = keys(*arguments, file=file)
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be used: Invalid JSON" in done.stderr
        assert "Traceback" not in done.stderr
    assert file.read_text() == "{"


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    added = keys("add", "alice", file=tmp_path / "file" / "keys.json")
    assert (added.returncode, added.stdout) == (1, "")
    assert "keys.json cannot be changed: " in added.stderr


def test_without_a_file_it_is_asked_for() -> None:
    added = keys("add", "alice")
    assert (added.returncode, added.stdout) == (2, "")
    assert "DARKROOM_API_KEYS_FILE" in added.stderr


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    for command in (DARKROOM_KEYS, ("service.keys",)):
        added = keys("add", "alice", "--max-cost", "0", file=tmp_path / "keys.json", command=command)
        assert (added.returncode, "--max-cost" in added.stderr) == (2, True)


def test_keys_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    adding = [
        subprocess.Popen([sys.executable, "-c", ADD_TWENTY, file, name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    made = [key for process in adding for key in process.communicate(timeout=30)[0].split()]
    found = ApiKeys(file)
    assert sorted(owner.name for key in made if (owner := found.find(key))) == sorted(
        f"{name}-{number}" for name in "ab" for number in range(20)
    )
