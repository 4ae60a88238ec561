import os
from pathlib import Path
from typing import Any

import pytest

from contract.errors import SettingsError
from contract.settings import read_settings
from worker.settings import WorkerSettings, configure_compiler, configure_libraries


def test_no_model_brings_code_and_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"PYTORCH_ALLOC_CONF": "backend:cudaMallocAsync", "OMP_WAIT_POLICY": "ACTIVE"}
    monkeypatch.setattr(os, "environ", {"DIFFUSERS_DISABLE_REMOTE_CODE": "false", **own})
    configure_libraries()
    assert os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] == "true"
    assert own.items() <= os.environ.items()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.setattr(os, "environ", {})
    configure_libraries()
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"]) == ("PASSIVE", "1000")


@pytest.mark.parametrize(
    ("environment", "settings", "folder"),
    [
        ({}, {"compile": True}, "compiled"),
        ({"TORCHINDUCTOR_CACHE_DIR": "/mine"}, {"compile": True}, "/mine"),
        ({}, {}, None),
    ],
)
def test_what_is_compiled_is_kept_in_the_data_folder(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    settings: dict[str, Any],
    folder: str | None,
) -> None:
    monkeypatch.setattr(os, "environ", dict(environment))
    configure_compiler(WorkerSettings(data_dir=tmp_path, **settings))
    expected = None if folder is None else str(tmp_path / folder)  # an absolute one stays as it is
    assert os.environ.get("TORCHINDUCTOR_CACHE_DIR") == expected


def test_batches_to_compile_for_are_numbers_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(WorkerSettings).compile is False
    monkeypatch.setenv("DARKROOM_COMPILE_BATCHES", "1,3")
    assert read_settings(WorkerSettings).compile_batches == (1, 3)
    for wrong in ("", "0", "65", "one"):
        monkeypatch.setenv("DARKROOM_COMPILE_BATCHES", wrong)
        with pytest.raises(SettingsError, match=r"^DARKROOM_COMPILE_BATCHES: "):
            read_settings(WorkerSettings)
