"""PyTorch's own compiler, with a C compiler behind it: `make test-compile`. A minute or two on two cores."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from darkroom.settings import variables
from tests.conftest import ROOT
from tests.random_models import write_shallow_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shallow_model(tmp_path_factory.mktemp("models") / "shallow")


def warm_up(model: Path, data: Path, **environment: str) -> tuple[dict[str, Any], str]:
    """What the process prints, and its log."""
    command = [sys.executable, "-m", "tests.compile.warm_up", str(model)]
    own = variables(data_dir=str(data), compile="true", compile_batches="1", device="cpu", log_format="json")
    # PyTorch, once imported, writes its own place into the environment of this process.
    inherited = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    done = subprocess.run(
        command, cwd=ROOT, env=inherited | own | environment, capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_a_later_start_finds_its_code_and_the_pictures_stay(model: Path, tmp_path: Path) -> None:
    cold, _ = warm_up(model, tmp_path)
    assert (cold["graphs"], cold["found"]) == (1, 0)
    assert cold["difference"] <= 1
    assert any((tmp_path / "compiled").iterdir())
    warm, _ = warm_up(model, tmp_path)
    assert (warm["graphs"], warm["found"]) == (1, 1)
    assert warm["difference"] <= 1
    print(f"cold {cold['seconds']:.1f} s, then {warm['seconds']:.1f} s")


@pytest.mark.timeout(600)
def test_without_a_c_compiler_everything_is_drawn_as_it_is(model: Path, tmp_path: Path) -> None:
    told, log = warm_up(model, tmp_path, CXX="/nowhere/g++", PATH="/nowhere")
    assert told["same"] is True
    assert log.count("compile_failed") == 1
