"""What `darkroom doctor` finds where Redis and the pictures are."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from contract import keys, scripts
from contract.finding import Finding
from contract.worker_state import WorkerState
from darkroom import valkey
from darkroom.doctor.surroundings import look_at_service
from darkroom.settings import variables
from service.access.key_file import KeyFile, KeyLimits, write_key_file
from service.access.secret_file import read_secret
from service.doctor.access_checks import look_at_files, look_at_keys, look_at_secret
from service.doctor.line_checks import look_at_line
from service.doctor.redis_checks import look_at_redis
from service.doctor.redis_info import Config, answering, clock, memory, persistence
from service.doctor.store_checks import file_system, lasting, look_at_folder, look_at_limit
from service.keys import add
from service.settings import ServiceSettings
from tests.conftest import ROOT, end, start_valkey, wait_until
from tests.contract.test_scripts import Line
from tests.service.conftest import Service

PASSWORD = "hunter2"


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """One that these tests may spoil."""
    with tempfile.TemporaryDirectory(prefix="darkroom-valkey-") as name:
        process = start_valkey(Path(name))
        yield process, Path(name)
        end(process, signal.SIGKILL)


@pytest.fixture
def redis_url(own_valkey: tuple[subprocess.Popen[bytes], Path]) -> str:
    return f"unix://{valkey.socket_path(own_valkey[1])}"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Of it, as it was when it started once the test is over."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        was = client.config_get("append*", "maxmemory*", "requirepass", "save")
        yield client
        changed = client.config_get("append*", "maxmemory*", "requirepass", "save")
        for name in changed:
            if changed[name] != was[name]:
                client.config_set(name, was[name])
        wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        client.flushall()


def look(url: str) -> dict[str, Finding]:
    """By their names."""
    return {finding.check: finding for finding in asyncio.run(look_at_redis(url))}


def wrong(findings: Mapping[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict != "ok"}


def test_a_redis_as_darkroom_starts_it_is_well(redis_url: str, client: redis.Redis) -> None:
    found = look(redis_url)
    assert wrong(found) == set()
    assert found["redis"].found.startswith("Valkey 9.")
    assert "synced everysec" in found["redis_persistence"].found
    assert client.ttl(keys.PROBE) in (-2, 0, 1)  # gone, or about to be


@pytest.mark.parametrize(
    ("settings", "names", "verdict", "words"),
    [
        ({"appendonly": "no"}, {"redis_persistence"}, "wrong", "there is no append-only file"),
        ({"appendfsync": "no"}, {"redis_persistence"}, "warning", "a power cut"),
        ({"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, {"redis_memory"}, "wrong", "it removes jobs"),
        ({"maxmemory-policy": "allkeys-lru"}, {"redis_memory"}, "warning", "it would remove jobs"),
        ({"maxmemory": "1"}, {"redis_memory", "redis_writing"}, "wrong", "no job is taken"),
    ],
)
def test_what_loses_or_refuses_jobs_is_found_with_how_to_mend_it(
    redis_url: str, client: redis.Redis, settings: dict[str, str], names: set[str], verdict: str, words: str
) -> None:
    for name, value in settings.items():
        client.config_set(name, value)
    found = look(redis_url)
    assert wrong(found) == names
    first = found[min(names)]
    assert (first.verdict, words in first.found, bool(first.mend)) == (verdict, True, True)


def test_a_snapshot_that_failed_is_wrong_where_it_stops_all_writes(
    redis_url: str, client: redis.Redis, own_valkey: tuple[subprocess.Popen[bytes], Path]
) -> None:
    in_its_way = own_valkey[1] / str(client.config_get("dbfilename")["dbfilename"])
    in_its_way.mkdir()
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    assert look(redis_url)["redis_snapshots"].verdict == "warning"
    client.config_set("save", "3600 1")
    found = look(redis_url)
    in_its_way.rmdir()
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")
    assert wrong(found) == {"redis_snapshots", "redis_writing"}
    assert found["redis_snapshots"].verdict == "wrong"


def test_an_append_only_file_that_cannot_be_written_is_wrong() -> None:
    finding = persistence({"aof_enabled": 1, "aof_last_write_status": "err"}, Config("everysec"))
    assert (finding.verdict, "Redis refuses jobs" in finding.found) == ("wrong", True)
    finding = persistence({"aof_enabled": 1, "aof_last_bgrewrite_status": "err"}, Config("everysec"))
    assert (finding.verdict, "could not be rewritten" in finding.found) == ("warning", True)


def test_a_redis_that_fills_its_machine_is_told() -> None:
    finding = memory({"used_memory": 95, "total_system_memory": 100})
    assert (finding.verdict, "nearly full" in finding.found) == ("warning", True)


def test_a_clock_that_is_wrong_is_told_in_seconds() -> None:
    assert clock(-0.5).verdict == "ok"
    assert clock(-90).found.startswith("90.000 s behind this machine's: times of jobs")


def test_one_that_is_too_old_or_slow_or_still_loads_is_told() -> None:
    assert answering({"redis_version": "7.2.4"}, 0.001, "x").verdict == "ok"
    assert answering({"redis_version": "6.0.16"}, 0.001, "x").verdict == "wrong"
    assert answering({"redis_version": "7.2.4"}, 0.2, "x").verdict == "warning"
    assert answering({"redis_version": "7.2.4", "loading": 1}, 0.001, "x").verdict == "warning"


def test_a_replica_takes_no_jobs(redis_url: str, client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", 1)
    found = look(redis_url)
    client.replicaof("NO", "ONE")
    assert wrong(found) == {"redis_role", "redis_writing"}
    assert "a replica of 127.0.0.1:1" in found["redis_role"].found


def test_a_wrong_password_is_told_and_no_password_is_shown(redis_url: str, client: redis.Redis) -> None:
    client.config_set("requirepass", PASSWORD)
    for url in (redis_url, f"unix://:not-{PASSWORD}@{redis_url.removeprefix('unix://')}"):
        found = look(url)
        assert wrong(found) == {"redis"} == set(found)
        assert "refuses this user or password" in found["redis"].found
        assert PASSWORD not in str(found)
    found = look(f"unix://:{PASSWORD}@{redis_url.removeprefix('unix://')}")
    assert wrong(found) == set()
    assert PASSWORD not in str(found)


def test_a_user_who_may_not_ask_is_told(redis_url: str, client: redis.Redis) -> None:
    client.acl_setuser("meek", enabled=True, passwords=[f"+{PASSWORD}"], commands=["+time"])
    found = look(f"unix://meek:{PASSWORD}@{redis_url.removeprefix('unix://')}")
    client.acl_deluser("meek")
    assert {name: finding.verdict for name, finding in found.items()} == {
        "redis": "warning",
        "redis_clock": "ok",
        "redis_writing": "wrong",
    }


def test_a_redis_that_is_not_there_is_told_by_its_address() -> None:
    found = look(f"redis://:{PASSWORD}@127.0.0.1:1/3")
    assert found["redis"].found == "Redis at 127.0.0.1:1 cannot be reached: Connection refused"
    assert set(found) == {"redis"}


def test_a_redis_that_hangs_holds_up_nothing_for_long(
    redis_url: str, own_valkey: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    """As a process, as `darkroom doctor` runs it."""
    own = variables(redis_url=redis_url, data_dir=str(tmp_path), store_limit_bytes="1", port="eighty")
    own_valkey[0].send_signal(signal.SIGSTOP)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "service.doctor"],
            cwd=ROOT,
            env=os.environ | own,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    finally:
        own_valkey[0].send_signal(signal.SIGCONT)
    settings, *findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"DARKROOM_PORT", "DARKROOM_REDIS_URL"} < set(settings["settings"])
    verdicts = {finding["check"]: finding["verdict"] for finding in findings}
    assert verdicts["settings"] == verdicts["redis"] == "wrong"
    assert verdicts["line"] == verdicts["store_limit"] == "skipped"
    assert verdicts["store"] == verdicts["keys"] == "ok"
    assert any("does not answer in time" in finding["found"] for finding in findings)


def look_at(url: str, most: int = 10) -> list[tuple[str, str, str]]:
    findings = asyncio.run(look_at_line(url, most))
    return [(finding.check, finding.verdict, finding.found) for finding in findings]


def test_a_line_that_nobody_draws_is_wrong_once_somebody_waits(redis_url: str, client: redis.Redis) -> None:
    line = Line(client)
    assert look_at(redis_url)[0][:2] == ("line", "warning")
    line.submit("a")
    ((_, verdict, found), leases) = look_at(redis_url)
    assert (verdict, found) == ("wrong", "jobs in line: 1, running: 0; the oldest has waited 0 s; no worker takes any")
    assert leases[:2] == ("leases", "ok")
    line.run(scripts.BEAT, "w", WorkerState(state="ready", pid=1, model="pocket", device="cpu").model_dump_json())
    assert look_at(redis_url)[:2] == [
        ("line", "ok", "jobs in line: 1, running: 0; the oldest has waited 0 s"),
        ("workers", "ok", "w is ready with pocket on cpu"),
    ]
    assert look_at(redis_url, most=1)[0][1] == "warning"


def test_a_worker_that_failed_says_why_and_its_leases_are_found(redis_url: str, client: redis.Redis) -> None:
    line = Line(client)
    line.submit("a")
    assert line.claim() == "a"
    line.expire_leases()
    line.run(scripts.BEAT, "w", WorkerState(state="failed", pid=1, reason="no such model").model_dump_json())
    _, worker, leases = look_at(redis_url)
    assert worker == ("workers", "wrong", "w is failed: no such model")
    assert leases[:2] == ("leases", "wrong")
    client.hset(keys.WORKERS, "w", f"{client.time()[0] - 60} {WorkerState(state='ready', pid=1).model_dump_json()}")
    assert look_at(redis_url)[1] == ("workers", "warning", "w is lost: it is not heard of")


def test_what_is_stored_is_held_against_its_limit(redis_url: str, client: redis.Redis) -> None:
    client.set(keys.STORED_BYTES, 2048)
    assert asyncio.run(look_at_limit(redis_url, None)) == []
    for limit, verdict in ((4096, "ok"), (2048, "warning")):
        (finding,) = asyncio.run(look_at_limit(redis_url, limit))
        assert (finding.verdict, "2.0 KiB of pictures" in finding.found) == (verdict, True)


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in findings}


def test_a_folder_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    assert verdicts(look_at_folder(tmp_path, 1)) == {"store": "ok", "store_room": "ok", "store_place": "ok"}
    assert list(tmp_path.iterdir()) == []
    (store, *_) = look_at_folder(tmp_path / "not" / "yet", 1)
    assert (store.verdict, "is made when it is first needed" in store.found) == ("ok", True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_pictures_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (finding,) = look_at_folder(tmp_path / "file" / "images", 1)
    assert (finding.verdict, finding.found) == ("wrong", f"{tmp_path / 'file'} is no folder")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        (finding,) = look_at_folder(tmp_path, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (finding.verdict, "cannot be written to: File too large" in finding.found) == ("wrong", True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_too_little_room_and_too_much_freedom_are_told(tmp_path: Path) -> None:
    assert verdicts(look_at_folder(tmp_path, 1 << 60))["store_room"] == "wrong"
    tmp_path.chmod(0o777)
    assert verdicts(look_at_folder(tmp_path, 1))["store_access"] == "warning"


@pytest.mark.parametrize(
    ("folder", "kind", "verdict"),
    [
        ("/", "overlay", "warning"),
        ("/data/images", "ext4", "ok"),
        ("/data/with space/images", "tmpfs", "warning"),
        ("/datastore", "overlay", "warning"),
        ("/mnt/pictures/images", "nfs4", "warning"),
    ],
)
def test_where_pictures_do_not_last_is_told_by_the_nearest_mount(
    tmp_path: Path, folder: str, kind: str, verdict: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:20 / / rw,relatime - overlay overlay rw\n"
        "23 22 8:1 / /data rw - ext4 /dev/sda1 rw\n"
        "24 23 0:21 / /data/with\\040space rw shared:1 - tmpfs tmpfs rw\n"
        "25 22 0:22 / /mnt/pictures rw - nfs4 server:/ rw\n"
    )
    assert file_system(Path(folder), mounts) == kind
    assert lasting(Path(folder), kind).verdict == verdict
    assert lasting(Path(folder), file_system(Path(folder), tmp_path / "none")).verdict == "skipped"


def keys_of(**settings: Any) -> list[tuple[str, str | None]]:
    return [(finding.verdict, finding.mend) for finding in look_at_keys(ServiceSettings(**settings))]


def test_keys_are_looked_at_and_none_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "new" / "keys.json"
    assert keys_of() == [("ok", None)]
    assert keys_of(allow_anonymous=True, host="0.0.0.0")[0][0] == "warning"
    assert keys_of(api_keys_file=file)[0] == ("wrong", f"DARKROOM_API_KEYS_FILE={file} darkroom keys add NAME")
    key = add(file, "alice", KeyLimits())
    (finding,) = look_at_keys(ServiceSettings(api_keys_file=file))
    assert (finding.verdict, finding.found) == ("ok", f"keys in {file}: 1")
    assert key not in finding.found
    file.chmod(0o666)
    assert keys_of(api_keys_file=file)[0] == ("wrong", f"chmod o-w {file}")
    write_key_file(file, KeyFile(keys=()))
    assert keys_of(api_keys_file=file)[0][0] == "warning"
    file.write_text("{")
    assert keys_of(api_keys_file=file)[0][0] == "wrong"


def test_the_secret_is_not_made_and_not_shown(tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path)
    assert look_at_secret(settings).verdict == "ok"
    assert list(tmp_path.iterdir()) == []
    secret = read_secret(settings)
    assert secret.decode() not in str(look_at_secret(settings))
    assert look_at_secret(settings).verdict == "ok"
    (tmp_path / "secret").chmod(0o644)
    assert look_at_secret(settings).verdict == "wrong"


def test_files_that_the_service_cannot_start_with_are_named(tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("a*b")
    settings = ServiceSettings(
        models=tmp_path / "no.toml", prompt_policy=tmp_path / "terms", styles=ROOT / "styles.toml"
    )
    found = {finding.verdict: finding.found for finding in look_at_files(settings)}
    assert found["ok"] == f"{ROOT / 'styles.toml'} can be used"
    assert "terms" in found["wrong"]


def test_a_service_that_answers_is_told_with_its_workers(service: Service) -> None:
    (finding,) = look_at_service(service.url, elsewhere=False)
    assert (finding.check, finding.verdict) == ("service", "warning")
    assert finding.found == f"Darkroom 0.1.0 at {service.url}: Redis ok, store ok, workers: none"
