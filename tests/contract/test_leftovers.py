import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contract.image_store import local_image_store
from contract.leftovers import remove_leftovers
from tests.conftest import ROOT

JOB = "0123456789abcdef" * 2


def aged(path: Path, seconds: float = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_what_a_put_leaves_behind_that_was_killed_in_the_middle_is_removed(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from contract.image_store import local_image_store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"  # deadly, in the middle of the write
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"local_image_store(Path(sys.argv[1])).put('{JOB}/e-0.png', bytes(2000))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGXFSZ
    (left,) = (tmp_path / JOB).iterdir()
    assert asyncio.run(listed(tmp_path)) == []
    assert remove_leftovers(tmp_path, 0) == 1
    assert not left.exists()


async def listed(folder: Path) -> list[str]:
    return [key async for chunk in local_image_store(folder).walk() for key in chunk]


@pytest.mark.parametrize("name", [f"{JOB}/e-0.png#1", f"{JOB}/e-0.png#12", "check#1"])
def test_only_an_old_file_of_a_put_is_a_leftover(tmp_path: Path, name: str) -> None:
    aged(tmp_path / name, 10)
    assert remove_leftovers(tmp_path, 30) == 0
    aged(tmp_path / name, 40)
    assert remove_leftovers(tmp_path, 30) == 1
    assert list(tmp_path.iterdir()) == []


def test_empty_folders_of_jobs_go_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / JOB).mkdir()
    (tmp_path / "mine").mkdir()
    kept = {aged(tmp_path / name) for name in ("mine/a.png#1", "a.png#1", "check", f"{JOB[::-1]}/e-0.png")}
    assert remove_leftovers(tmp_path, 30) == 0
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept
    assert not (tmp_path / JOB).exists()
    assert (tmp_path / "mine").exists()


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "images", 30) == 0
