import os

import pytest

from worker.settings import configure_libraries


def test_no_model_brings_code_and_what_the_user_set_for_the_allocator_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PYTORCH_ALLOC_CONF": "backend:cudaMallocAsync"})
    configure_libraries()
    assert os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] == "true"
    assert os.environ["PYTORCH_ALLOC_CONF"] == "backend:cudaMallocAsync"
    monkeypatch.setattr(os, "environ", {})
    configure_libraries()
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
