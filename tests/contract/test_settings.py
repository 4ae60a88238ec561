import pytest

from contract.errors import SettingsError
from contract.settings import read_settings
from service.settings import ServiceSettings
from worker.settings import WorkerSettings


def test_values_that_cannot_be_used_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PORT", "eighty")
    monkeypatch.setenv("DARKROOM_RETENTION_SECONDS", "0")
    with pytest.raises(SettingsError, match=r"DARKROOM_PORT: .*integer.*DARKROOM_RETENTION_SECONDS: .*greater"):
        read_settings(ServiceSettings)


def test_a_choice_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_MEMORY", "magic")
    with pytest.raises(SettingsError, match=r"DARKROOM_MEMORY: .*sequential_offload"):
        read_settings(WorkerSettings)


def test_allowed_hosts_are_a_list_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_ALLOWED_HOSTS", " One.example,two , ")
    assert read_settings(ServiceSettings).allowed_host_names == {"one.example", "two"}
