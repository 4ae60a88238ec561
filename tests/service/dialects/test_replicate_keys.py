"""Predictions of a service that has keys, and what it tells their webhooks."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from service.access.key_file import KeyLimits
from service.keys import add
from tests.service.conftest import Service, start_service, stop_service
from tests.service.moves import Moves
from tests.service.pictures import keep
from tests.webhook_receiver import Received, Receiver

PUBLIC_URL = "https://pictures.example"


@dataclass(frozen=True)
class Asked:
    """The service, as two owners ask it."""

    alice: httpx.Client
    bob: httpx.Client
    stranger: httpx.Client
    receiver: Receiver


@pytest.fixture(scope="module")
def database(valkey_socket: Path) -> str:
    """Of these tests alone: the shared service would send what is due there, and may call nobody."""
    return f"unix://{valkey_socket}?db=11"


@pytest.fixture
def redis_url(database: str) -> Iterator[str]:
    yield database
    with redis.Redis.from_url(database) as client:
        client.flushdb()


@pytest.fixture(scope="module")
def process(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, list[str]]]:
    folder = tmp_path_factory.mktemp("predictions")
    keys = [add(folder / "keys.json", name, KeyLimits()) for name in ("alice", "bob")]
    service = start_service(
        database,
        folder / "data",
        DARKROOM_API_KEYS_FILE=str(folder / "keys.json"),
        DARKROOM_PUBLIC_URL=PUBLIC_URL,
        DARKROOM_WEBHOOK_ALLOW="127.0.0.0/30",
    )
    yield service, keys
    stop_service(service)


@pytest.fixture
def asked(process: tuple[Service, list[str]], redis_url: str) -> Iterator[Asked]:  # noqa: ARG001
    service, keys = process
    headers = [{"Authorization": f"Bearer {key}"} for key in keys]
    clients = [httpx.Client(base_url=service.url, headers=each, trust_env=False) for each in (*headers, {})]
    with Receiver("127.0.0.1").serving() as receiver:
        yield Asked(*clients, receiver)
    for client in clients:
        client.close()


def create(asked: Asked, **body: Any) -> dict[str, Any]:
    answer = asked.alice.post("/v1/predictions", json={"input": {"prompt": "a fox"}} | body)
    assert answer.status_code == 201, answer.text
    prediction: dict[str, Any] = answer.json()
    return prediction


def signed(received: Received, secret: str) -> bool:
    """As their clients validate it: with what is behind `whsec_`, and without a look at the time."""
    content = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.{received.body.decode()}"
    digest = hmac.digest(base64.b64decode(secret.split("_")[1]), content.encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}" in received.headers["webhook-signature"].split()


def test_a_stranger_is_told_so_and_another_owner_sees_nothing(asked: Asked) -> None:
    prediction = create(asked)
    path = f"/v1/predictions/{prediction['id']}"
    for method, where in [
        ("GET", path),
        ("POST", f"{path}/cancel"),
        ("GET", f"{path}/stream"),
        ("GET", "/v1/predictions"),
        ("POST", "/v1/predictions"),
        ("POST", "/v1/models/darkroom/pocket/predictions"),
        ("GET", "/v1/models/darkroom/pocket/versions/pocket"),
        ("GET", "/v1/webhooks/default/secret"),
    ]:
        answer = asked.stranger.request(method, where)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), where
    for method, where in [("GET", path), ("POST", f"{path}/cancel"), ("GET", f"{path}/stream")]:
        assert asked.bob.request(method, where).status_code == 404
    assert asked.bob.get("/v1/predictions").json()["results"] == []
    assert asked.alice.get(path).json()["status"] == "starting"
    answer = asked.stranger.post("/huggingface", json={"inputs": "a fox"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_stream_s_own_address_needs_no_key(asked: Asked, client: redis.Redis) -> None:
    prediction, other = create(asked), create(asked)
    moves = Moves(client)
    moves.finish(moves.claim())
    stream = prediction["urls"]["stream"].removeprefix(PUBLIC_URL)
    answer = asked.stranger.get(stream)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert "event: done" in answer.text
    assert asked.stranger.get(stream.replace(prediction["id"], other["id"])).status_code == 401
    assert asked.stranger.get(stream.replace("/stream", "")).status_code == 401


def test_addresses_are_the_ones_that_the_settings_name(
    asked: Asked, process: tuple[Service, list[str]], client: redis.Redis
) -> None:
    picture = keep(replace(process[0], http=asked.alice), client)
    prediction = asked.alice.get(f"/v1/predictions/{picture.job_id}").json()
    assert prediction["urls"]["get"] == f"{PUBLIC_URL}/v1/predictions/{picture.job_id}"
    (url,) = prediction["output"]  # over https their clients fetch it
    assert asked.stranger.get(url.removeprefix(PUBLIC_URL)).content == picture.content


def test_a_webhook_is_told_of_predictions(asked: Asked, client: redis.Redis) -> None:
    events = ["start", "output", "completed"]
    prediction = create(asked, webhook=asked.receiver.on("/all"), webhook_events_filter=events)
    other = create(asked, webhook=asked.receiver.on("/ends"))
    moves = Moves(client)
    for _ in range(2):
        moves.finish(moves.claim(), "failed", "error_code", "out_of_memory", "error_detail", "Too large.")
    told = asked.receiver.wait_for("/all", 2)
    secret = asked.alice.get("/v1/webhooks/default/secret").json()["key"]
    assert secret == asked.alice.get("/webhooks/secret").json()["secret"]
    for received in told:
        assert signed(received, secret)
        message = json.loads(received.body)
        assert (message["id"], message["urls"]["get"]) == (prediction["id"], prediction["urls"]["get"])
    assert message.keys() == asked.alice.get(f"/v1/predictions/{prediction['id']}").json().keys()
    (ended,) = asked.receiver.wait_for("/ends")
    assert (json.loads(ended.body)["status"], json.loads(ended.body)["error"]) == (
        "failed",
        "out_of_memory: Too large.",
    )
    # Natively it is a webhook like any other, and says no more.
    ends = ["job.succeeded", "job.failed", "job.canceled"]
    for job, told_of in [(prediction, ["job.running", *ends]), (other, ends)]:
        webhook = asked.alice.get(f"/jobs/{job['id']}").json()["webhook"]
        assert webhook.keys() == {"url", "events", "deliveries"}
        assert webhook["events"] == told_of
