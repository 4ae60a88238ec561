import json
import os
import re
import subprocess
import sys

import pytest

from contract.errors import SettingsError
from contract.settings import read_settings
from service.settings import ServiceSettings
from tests.conftest import ROOT
from worker.settings import WorkerSettings


def test_values_that_cannot_be_used_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PORT", "eighty")
    monkeypatch.setenv("DARKROOM_RETENTION_SECONDS", "0")
    with pytest.raises(SettingsError, match=r"DARKROOM_PORT: .*integer.*DARKROOM_RETENTION_SECONDS: .*greater"):
        read_settings(ServiceSettings)


@pytest.mark.parametrize("port", ["-1", "65536", "99999999"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("DARKROOM_PORT", port)
    with pytest.raises(SettingsError, match=r"^DARKROOM_PORT: "):
        read_settings(ServiceSettings)


def test_a_choice_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_MEMORY", "magic")
    with pytest.raises(SettingsError, match=r"DARKROOM_MEMORY: .*sequential_offload"):
        read_settings(WorkerSettings)


def test_a_public_url_is_one_and_ends_without_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, url in (("", None), ("https://pictures.example/darkroom/", "https://pictures.example/darkroom")):
        monkeypatch.setenv("DARKROOM_PUBLIC_URL", text)
        assert read_settings(ServiceSettings).public_url == url
    for text in ("pictures.example", "ftp://pictures.example", "https://", "https://pictures.example/?a=b"):
        monkeypatch.setenv("DARKROOM_PUBLIC_URL", text)
        with pytest.raises(SettingsError, match="DARKROOM_PUBLIC_URL: must be an http:// or https:// URL"):
            read_settings(ServiceSettings)


def test_allowed_hosts_are_a_list_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_ALLOWED_HOSTS", " One.example,two , ")
    assert read_settings(ServiceSettings).allowed_host_names == {"one.example", "two"}


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "http://a.example", "a.example:80", "*.example", "127.1"])
def test_what_is_no_receiver_of_webhooks_is_named(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("DARKROOM_WEBHOOK_ALLOW", f"10.0.0.0/8, {entry}")
    with pytest.raises(SettingsError, match=rf"^DARKROOM_WEBHOOK_ALLOW: '{re.escape(entry)}' is no host name, address"):
        read_settings(ServiceSettings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "", "darkroom.lan", "localhost.evil.example"])
def test_without_keys_only_loopback_is_listened_on(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DARKROOM_HOST", host)
    with pytest.raises(SettingsError, match=r"^DARKROOM_HOST: .*DARKROOM_API_KEYS_FILE.*DARKROOM_ALLOW_ANONYMOUS=1"):
        read_settings(ServiceSettings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost"])
def test_loopback_is_listened_on_without_keys(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DARKROOM_HOST", host)
    assert read_settings(ServiceSettings).host == host


@pytest.mark.parametrize(("name", "value"), [("API_KEYS_FILE", "keys.json"), ("ALLOW_ANONYMOUS", "1")])
def test_with_keys_or_when_told_so_any_address_is_listened_on(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("DARKROOM_HOST", "0.0.0.0")
    monkeypatch.setenv(f"DARKROOM_{name}", value)
    assert read_settings(ServiceSettings).host == "0.0.0.0"


@pytest.mark.parametrize("side", [ServiceSettings, WorkerSettings])
@pytest.mark.parametrize(
    "url", ["redis://redis:6379/0", "rediss://10.0.0.1", "redis://user@redis", "redis://?host=10.0.0.1"]
)
def test_a_redis_elsewhere_needs_a_password(
    monkeypatch: pytest.MonkeyPatch, side: type[ServiceSettings | WorkerSettings], url: str
) -> None:
    monkeypatch.setenv("DARKROOM_REDIS_URL", url)
    with pytest.raises(SettingsError, match=r"^DARKROOM_REDIS_URL: .*without a password.*DARKROOM_ALLOW_OPEN_REDIS=1"):
        read_settings(side)
    monkeypatch.setenv("DARKROOM_ALLOW_OPEN_REDIS", "1")
    assert read_settings(side).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.8.9.1:6379/0",
        "redis://localhost",
        "redis://[::1]:6379",
        "redis:///1",
        "unix:///run/valkey.sock",
        "redis://:secret@redis:6379/0",
        "rediss://user:secret@10.0.0.1",
        "redis://redis?password=secret",
    ],
)
def test_a_redis_that_is_near_or_has_a_password_is_used(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DARKROOM_REDIS_URL", url)
    assert read_settings(ServiceSettings).redis_url == url


@pytest.mark.parametrize(
    "url", ["http://redis", "redis://:tulip/rose@redis", "redis://[::1", "redis://127.0.0.1?tulip=1"]
)
def test_what_is_no_redis_url_is_refused_and_no_password_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DARKROOM_REDIS_URL", url)
    with pytest.raises(SettingsError, match=r"^DARKROOM_REDIS_URL: is no redis://") as refused:
        read_settings(ServiceSettings)
    assert not re.search("tulip|rose", str(refused.value))


@pytest.mark.parametrize("module", ["service", "worker"])
def test_a_side_that_cannot_use_its_settings_says_so_by_its_exit_code(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=os.environ | {"DARKROOM_REDIS_URL": "redis://redis"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78
    assert json.loads(done.stderr)["reason"].startswith("DARKROOM_REDIS_URL: names a Redis of another machine")
    assert "Traceback" not in done.stderr
