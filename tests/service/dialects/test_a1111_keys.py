"""AUTOMATIC1111's API of a service with keys and two models: whose is what, and what if Redis or it go."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from contract import keys
from darkroom import valkey
from service.access.key_file import KeyLimits
from service.keys import add
from tests.conftest import ROOT, end, start_valkey, wait_until
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import Moves

ENTRY = (ROOT / "models.toml").read_text().partition("# More models")[0]


@dataclass(frozen=True)
class Asked:
    service: Service
    key: str
    other_key: str
    client: redis.Redis
    leave: Any
    """Sends Redis a signal."""

    def as_(self, key: str, method: str, path: str, **body: Any) -> httpx.Response:
        return httpx.request(
            method,
            f"{self.service.url}/sdapi/v1/{path}",
            auth=("anybody", key),
            timeout=30,
            trust_env=False,
            **({"json": body} if body else {}),
        )

    def model(self, key: str) -> str:
        return str(self.as_(key, "GET", "options").raise_for_status().json()["sd_model_checkpoint"])


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    source = f'source = "{ROOT / "models" / "pocket"}"'
    entry = ENTRY.replace('source = "models/pocket"', source)
    models = tmp_path / "models.toml"
    models.write_text(entry + entry.replace('id = "pocket"', 'id = "other"').replace('"DDIM", "DDPM", ', '"DDIM", '))
    file = tmp_path / "keys.json"
    own, other = (add(file, name, KeyLimits()) for name in ("alice", "bob"))
    process = start_valkey(tmp_path)
    url = f"unix://{valkey.socket_path(tmp_path)}"
    service = start_service(url, tmp_path, DARKROOM_API_KEYS_FILE=str(file), DARKROOM_MODELS=str(models))
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield Asked(service, own, other, client, process.send_signal)
    process.send_signal(signal.SIGCONT)
    stop_service(service)
    end(process)


def test_what_is_whose(asked: Asked) -> None:
    http = asked.service.http
    for headers in ({}, {"Authorization": "Basic Og=="}, {"Authorization": "Basic A"}, {"Authorization": "Bearer x"}):
        for method, path in (("GET", "options"), ("POST", "txt2img"), ("POST", "png-info")):
            stranger = http.request(method, f"/sdapi/v1/{path}", headers=headers)
            assert (stranger.status_code, set(stranger.json())) == (401, {"detail"})
            assert stranger.headers["www-authenticate"].startswith('Basic realm="darkroom"')
    assert http.get("/sdapi/v1/options", auth=("jürgen", asked.key)).status_code == 200
    assert http.get("/sdapi/v1/options", headers={"Authorization": f"Bearer {asked.key}"}).status_code == 200

    assert asked.as_(asked.key, "POST", "options", sd_model_checkpoint="other").status_code == 200
    own = keys.CHOSEN_MODEL_PREFIX + "alice"
    assert asked.client.ttl(own) > 3600
    asked.client.expire(own, 9)
    assert (asked.model(asked.key), asked.model(asked.other_key)) == ("other", "pocket")
    assert asked.client.ttl(own) > 3600
    assert "DDPM" not in [each["name"] for each in asked.as_(asked.key, "GET", "samplers").json()]
    asked.client.set(keys.CHOSEN_MODEL_PREFIX + "bob", "no longer on offer")
    assert asked.model(asked.other_key) == "pocket"

    def busy(key: str) -> int:
        return int(asked.as_(key, "GET", "progress").json()["state"]["job_count"])

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(asked.as_, asked.key, "POST", "txt2img", prompt="a fox")
        wait_until(lambda: busy(asked.key))
        moves = Moves(asked.client)
        for move in (lambda: None, moves.claim):  # in line, and when it runs
            move()
            assert busy(asked.other_key) == 0
            assert asked.as_(asked.other_key, "POST", "interrupt").json() == {}
            assert busy(asked.key) == 1
        (job,) = http.get("/jobs", headers={"Authorization": f"Bearer {asked.key}"}).json()["jobs"]
        assert (job["status"], job["parameters"]["model"]) == ("running", "other")
        asked.as_(asked.key, "POST", "interrupt")
        moves.finish(job["id"], "canceled")
        assert waiting.result().json()["images"] == []


def test_what_is_when_redis_does_not_answer_and_when_the_service_stops(asked: Asked) -> None:
    asked.leave(signal.SIGSTOP)
    for method, path in (("POST", "txt2img"), ("GET", "progress"), ("GET", "options"), ("POST", "interrupt")):
        answer = asked.as_(asked.key, method, path, prompt="a fox")
        assert (answer.status_code, set(answer.json())) == (503, {"detail"})
        assert int(answer.headers["retry-after"]) > 0
    asked.leave(signal.SIGCONT)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(asked.as_, asked.key, "POST", "txt2img", prompt="a fox")
        wait_until(lambda: asked.as_(asked.key, "GET", "progress").json().get("state", {}).get("job_count"))
        asked.service.process.send_signal(signal.SIGTERM)
        assert (waiting.result().status_code, set(waiting.result().json())) == (503, {"detail"})
    (job,) = asked.client.keys(keys.JOB_PREFIX + "*")
    wait_until(lambda: asked.client.hget(job, "status") == "canceled")  # beside the answer
