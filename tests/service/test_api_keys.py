"""A service with keys, asked over HTTP while its key file changes under it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from structlog.testing import capture_logs

from contract import scripts
from contract.errors import SettingsError
from contract.worker_state import WorkerState
from service import followed_file
from service.access.api_keys import ApiKeys
from service.access.key_file import KeyLimits, hash_of
from service.access.owners import Owner
from service.keys import add, revoke
from tests.conftest import ROOT, wait_until
from tests.service.conftest import Service, database, start_service, stop_service


@dataclass(frozen=True)
class Keyed:
    """A running service, the file of its keys, and all that it printed."""

    service: Service
    file: Path
    log: Path
    key: str

    def ask(self, authorization: str | None = None, path: str = "/models") -> httpx.Response:
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.service.http.get(path, headers=headers)

    def takes(self, key: str) -> bool:
        return self.ask(f"Bearer {key}").status_code == 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyed")


@pytest.fixture(scope="module")
def running(valkey_socket: Path, folder: Path) -> Iterator[Keyed]:
    file = folder / "keys.json"
    key = add(file, "alice", KeyLimits())
    with (folder / "log").open("wb") as output:
        service = start_service(
            database(valkey_socket), folder / "data", output=output, DARKROOM_API_KEYS_FILE=str(file)
        )
    yield Keyed(service, file, folder / "log", key)
    stop_service(service)


@pytest.fixture
def keyed(running: Keyed, redis_url: str) -> Iterator[Keyed]:  # noqa: ARG001
    """One process for all tests, which leave the file as it was."""
    former = running.file.read_bytes()
    yield running
    running.file.write_bytes(former)
    wait_until(lambda: running.takes(running.key))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
@pytest.mark.parametrize("path", ["/models", "/schedulers", "/webhooks/secret"])
def test_the_right_key_is_served(keyed: Keyed, scheme: str, path: str) -> None:
    assert keyed.ask(f"{scheme} {keyed.key}", path).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YTpi", "Digest x"])
@pytest.mark.parametrize("path", ["/models", "/schedulers"])
def test_who_shows_no_key_is_asked_for_one(keyed: Keyed, authorization: str | None, path: str) -> None:
    answer = keyed.ask(authorization, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="darkroom"'


def test_a_key_that_is_not_in_force_is_told_apart_from_none(keyed: Keyed) -> None:
    for wrong in ("x", keyed.key[:-1], keyed.key + "a", keyed.key.swapcase(), hash_of(keyed.key)):
        answer = keyed.ask(f"Bearer {wrong}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="darkroom", error="invalid_token"'


def test_a_key_in_another_alphabet_is_a_wrong_key(keyed: Keyed) -> None:
    answer = keyed.service.http.get("/models", headers=[(b"Authorization", "Bearer ключ".encode())])
    assert answer.status_code == 401


def test_an_image_is_inspected_for_those_who_show_a_key(keyed: Keyed) -> None:
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {keyed.key}"}, 422)):
        answer = keyed.service.http.post("/inspect", content=b"x", headers=headers | {"Content-Type": "image/png"})
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json", "/static/favicon.png"])
def test_health_and_documents_are_open(keyed: Keyed, path: str) -> None:
    assert keyed.ask(None, path).status_code == 200
    assert keyed.ask("Bearer wrong", path).status_code == 200


def test_a_service_with_keys_goes_by_the_key_and_not_by_the_page(keyed: Keyed) -> None:
    headers = {"Authorization": f"Bearer {keyed.key}", "Host": "darkroom.example"}
    page = {"Origin": "http://page.example", "Sec-Fetch-Site": "cross-site"}
    assert keyed.service.http.get("/models", headers=headers).status_code == 200
    assert keyed.service.http.post("/nothing", headers=headers | page).status_code == 404


def test_a_workers_reason_is_told_to_those_who_show_a_key(keyed: Keyed, client: redis.Redis) -> None:
    state = WorkerState(state="failed", pid=1, reason="no folder /home/alice/models").model_dump_json()
    client.register_script(scripts.BEAT)(args=["a", state])
    for presented, reason in ((keyed.key, "no folder /home/alice/models"), ("wrong", None)):
        answer = keyed.ask(f"Bearer {presented}", "/readyz")
        (worker,) = answer.json()["workers"]
        assert (answer.status_code, worker["state"], worker["reason"]) == (200, "failed", reason)


def test_keys_are_added_and_revoked_while_the_service_runs(keyed: Keyed) -> None:
    key = add(keyed.file, "bob", KeyLimits())
    wait_until(lambda: keyed.takes(key), 2)
    revoke(keyed.file, "bob")
    wait_until(lambda: not keyed.takes(key), 2)
    assert keyed.takes(keyed.key)


def test_a_service_whose_last_key_is_revoked_serves_nobody(keyed: Keyed) -> None:
    revoke(keyed.file, "alice")
    wait_until(lambda: not keyed.takes(keyed.key), 2)
    assert keyed.ask(None).status_code == 401


def test_a_file_that_breaks_leaves_the_former_keys_in_force(keyed: Keyed) -> None:
    keyed.file.write_text("{")
    complaint = f"the key file {keyed.file} cannot be used: Invalid JSON"
    wait_until(lambda: (keyed.takes(keyed.key), complaint in keyed.log.read_text())[1], 3)
    assert '"event": "file_unusable"' in keyed.log.read_text()
    assert keyed.takes(keyed.key)
    assert not keyed.takes("wrong")


def test_a_broken_file_is_complained_of_once_and_followed_again_when_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_file, "_LOOK_SECONDS", 0)
    file = tmp_path / "keys.json"
    alice = add(file, "alice", KeyLimits(max_cost=7))
    keys = ApiKeys(file)
    aside = file.rename(tmp_path / "aside")
    with capture_logs() as lines:
        assert [keys.find(alice) for _ in range(3)] == [Owner("alice", max_cost=7)] * 3
        assert [line["event"] for line in lines] == ["file_unusable"]
        aside.rename(file)
        assert keys.find(alice) == Owner("alice", max_cost=7)
        bob = add(file, "bob", KeyLimits())
        assert keys.find(bob) == Owner("bob")
        file.unlink()
        assert keys.find(bob) == Owner("bob")
    assert [line["event"] for line in lines] == ["file_unusable", *["file_read_again"] * 2, "file_unusable"]


def entry(**changed: Any) -> dict[str, Any]:
    return {"name": "alice", "hash": hash_of("key"), "created_at": "2026-01-01T00:00:00Z"} | changed


def test_limits_come_with_the_owner(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    limits = {"max_queued_jobs": 1, "requests_per_minute": 2, "max_cost": 3}
    file.write_text(json.dumps({"keys": [entry(limits=limits)]}))
    assert ApiKeys(file).find("key") == Owner("alice", **limits)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Invalid JSON"),
        ("[]", "valid .* object|Input should be an object"),
        ("{}", "keys: Field required"),
        ({"keys": [entry(name="Alice")]}, r"keys\.0\.name: "),
        ({"keys": [entry(name="anonymous")]}, r"keys\.0\.name: this name is reserved"),
        ({"keys": [entry(hash="key")]}, r"keys\.0\.hash: "),
        ({"keys": [entry(created_at="today")]}, r"keys\.0\.created_at: "),
        ({"keys": [entry(limits={"max_costs": 1})]}, r"keys\.0\.limits\.max_costs: Extra"),
        ({"keys": [entry(limits={"max_cost": 0})]}, r"keys\.0\.limits\.max_cost: "),
        ({"keys": [entry(limits={"max_cost": True})]}, r"keys\.0\.limits\.max_cost: "),
        ({"keys": [entry(), entry(hash=hash_of("b"))]}, "the name 'alice' is used more than once"),
        ({"keys": [entry(), entry(name="bob")]}, "two names have the same key"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, content: object, reason: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(SettingsError, match=f"^the key file {file} cannot be used: ({reason})"):
        ApiKeys(file)


def test_a_service_does_not_start_without_the_key_file_it_was_told_of(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"DARKROOM_DATA_DIR": str(tmp_path), "DARKROOM_API_KEYS_FILE": str(tmp_path / "keys.json")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78
    assert f"the key file {tmp_path}/keys.json cannot be used: No such file or directory" in done.stderr


def test_a_file_without_keys_is_no_error_and_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": []}')
    assert ApiKeys(tmp_path / "keys.json").find("key") is None


def test_a_key_is_found_nowhere_but_with_its_owner(keyed: Keyed, redis_url: str) -> None:
    wrong = "dk_a-key-that-somebody-mistyped"
    for key in (keyed.key, wrong):
        for path in ("/models", "/readyz", "/nothing", f"/models?key={key}", f"/jobs/{key}"):
            keyed.ask(f"Bearer {key}", path)
        keyed.ask(f"Basic {key}")
        keyed.service.http.post("/generate", json={"prompt": "a fox"}, headers={"Authorization": f"Bearer {key}"})
    client = redis.Redis.from_url(redis_url)
    kept = [client.dump(name) or b"" for name in client.scan_iter()]
    kept += [path.read_bytes() for path in keyed.service.data_dir.rglob("*") if path.is_file()]
    kept += [keyed.log.read_bytes(), keyed.file.read_bytes()]
    kept += [Path(f"/proc/{keyed.service.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert not any(key.encode() in content for key in (keyed.key, wrong) for content in kept)
