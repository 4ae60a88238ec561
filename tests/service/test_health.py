import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import redis

from contract import scripts
from contract.worker_state import WorkerState
from darkroom import valkey
from tests.conftest import end, start_valkey, wait_until
from tests.service.conftest import Service, start_service, stop_service


def beat(client: redis.Redis, name: str, **state: object) -> None:
    text = WorkerState.model_validate({"pid": 1} | state).model_dump_json()
    client.register_script(scripts.BEAT)(args=[name, text])


def test_readiness_tells_of_every_worker(service: Service, client: redis.Redis) -> None:
    beat(client, "a", state="loading")
    beat(client, "b", state="ready", model="pocket", device="cpu")
    beat(client, "c", state="failed", reason="no such folder")
    beat(client, "d", state="ready")
    client.hset("darkroom:workers", "d", f"{time.time() - 60} " + '{"state": "ready", "pid": 1}')
    answer = service.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    workers = {worker["name"]: worker for worker in answer.json()["workers"]}
    assert {name: worker["state"] for name, worker in workers.items()} == {
        "a": "loading",
        "b": "ready",
        "c": "failed",
        "d": "lost",
    }
    assert workers["c"]["reason"] == "no such folder"


@pytest.fixture
def own_valkey(tmp_path: Path) -> subprocess.Popen[bytes]:
    return start_valkey(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_redis_the_service_lives_and_says_what_is_missing(
    own_valkey: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    service = start_service(f"unix://{valkey.socket_path(tmp_path)}", tmp_path)
    try:
        assert service.http.get("/readyz").status_code == 200
        own_valkey.send_signal(number)
        ready = service.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["store"]) == (503, "unavailable", "ok")
        assert service.http.get("/livez").status_code == 200
        submitted = service.http.post("/generate", json={"prompt": "a"})
        assert (submitted.status_code, submitted.json()["code"]) == (503, "queue_unavailable")
        assert int(submitted.headers["retry-after"]) > 0
    finally:
        own_valkey.send_signal(signal.SIGCONT)
        end(own_valkey)
        stop_service(service)


def test_the_service_is_small_quick_and_without_torch(redis_url: str, tmp_path: Path) -> None:
    fresh = start_service(redis_url, tmp_path)
    proc = Path("/proc") / str(fresh.process.pid)
    status, maps, stat = ((proc / name).read_text() for name in ("status", "maps", "stat"))
    stop_service(fresh)
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    # The processor's time, not the wall's: a machine that does other things as well is no failure.
    user, system = (int(ticks) for ticks in stat.rpartition(")")[2].split()[11:13])
    seconds = (user + system) / os.sysconf("SC_CLK_TCK")
    assert resident < 150 * 1024, f"{resident} kB"
    assert "torch" not in maps
    assert seconds < 2, f"{seconds} s of processor to the first /livez"


def test_an_error_that_nobody_foresaw_is_a_problem_without_a_traceback(service: Service, client: redis.Redis) -> None:
    job_id = "0" * 32
    client.hset(f"rq:job:{job_id}", mapping={"owner": "anonymous", "status": "unheard of"})
    answer = service.http.get(f"/jobs/{job_id}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Traceback" not in answer.text
    assert "unheard of" not in answer.text


def test_after_such_an_error_the_clients_next_request_is_not_lost(service: Service, client: redis.Redis) -> None:
    job_id = "0" * 32
    client.hset(f"rq:job:{job_id}", mapping={"owner": "anonymous", "status": "unheard of"})
    for _ in range(50):
        assert service.http.get(f"/jobs/{job_id}").status_code == 500
        assert service.http.get("/livez").status_code == 200


def test_a_service_that_can_hear_no_more_ends_so_that_another_is_started(
    redis_url: str, tmp_path: Path, client: redis.Redis
) -> None:
    service = start_service(redis_url, tmp_path)
    job_id = service.submit()["id"]
    with httpx.stream("GET", f"{service.url}/jobs/{job_id}/events", trust_env=False) as stream:
        lines = stream.iter_lines()  # held: the stream closes with it
        wait_until(lambda: next(lines) == "id: 1")
        client.publish("darkroom:events", f"{job_id} no event")
        assert service.process.wait(10) is not None
    service.http.close()
