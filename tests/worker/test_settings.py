import os

import pytest

from worker.settings import configure_libraries


def test_no_model_brings_code_and_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"PYTORCH_ALLOC_CONF": "backend:cudaMallocAsync", "OMP_WAIT_POLICY": "ACTIVE"}
    monkeypatch.setattr(os, "environ", {"DIFFUSERS_DISABLE_REMOTE_CODE": "false", **own})
    configure_libraries()
    assert os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] == "true"
    assert own.items() <= os.environ.items()
    monkeypatch.setattr(os, "environ", {})
    configure_libraries()
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
