"""Pictures of the OpenAI Images dialect as a stream, and waiting clients through outages."""

import base64
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from httpx_sse import connect_sse
from PIL import Image

from contract import keys
from contract.job import Job
from contract.parameters import OutputFormat
from tests.conftest import end, wait_until
from tests.service.conftest import Service, start_service
from tests.service.dialects.test_openai import PATH, RED, own_jobs, picture, post
from tests.service.moves import claim
from tests.service.pictures import finish_with_picture
from tests.service.test_redis_away import Server
from worker.previews import Preview, preview_message

Event = tuple[str, dict[str, Any]]


@contextmanager
def stream(service: Service, prompt: str, **fields: Any) -> Iterator[Iterator[Event]]:
    body = {"prompt": prompt, "stream": True} | fields
    with connect_sse(service.http, "POST", PATH, json=body) as source:
        yield ((each.event, json.loads(each.data)) for each in source.iter_sse())


def all_events(service: Service, prompt: str, **fields: Any) -> list[Event]:
    with stream(service, prompt, **fields) as events:
        return list(events)


def show(client: redis.Redis, job_id: str, step: int) -> None:
    """A preview of a picture of 64 x 64, as bright as the step, as a worker publishes it."""
    pixels = np.full((8, 8, 3), 25 * step, np.uint8)
    client.publish(keys.PREVIEWS, preview_message(job_id, Preview(step, 10, pixels)))


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_previews_spread_over_the_steps_come_before_the_picture(
    service: Service, client: redis.Redis, output_format: OutputFormat
) -> None:
    with stream(service, RED, partial_images=3, output_format=output_format, seed=7) as events:
        job = Job.model_validate(wait_until(lambda: own_jobs(service))[0])
        wait_until(lambda: client.exists(keys.PREVIEW_PREFIX + job.id))
        claim(client)
        for step in (1, 2, 3, 4, 5, 9, 10):  # of 10: due at 2.5, 5 and 7.5
            show(client, job.id, step)
        finish_with_picture(service, client, job, output_format, Image.new("RGB", (128, 128)))
        told = list(events)
    kept = service.http.get(f"/images/{job.id}/0.{output_format}").content
    about = {"background": "opaque", "output_format": output_format, "quality": "high", "size": "128x128"}
    assert all(data["type"] == name and data["created_at"] > 1.7e9 and data | about == data for name, data in told)
    names = ["image_generation.partial_image"] * 3 + ["image_generation.completed"]
    assert [name for name, _ in told] == names
    files = [base64.b64decode(data["b64_json"]) for _, data in told]
    for number, (file, level) in enumerate(zip(files, (75, 125, 225), strict=False)):
        assert told[number][1]["partial_image_index"] == number
        assert picture(file) == (output_format.upper(), (256, 256), pytest.approx(level, abs=2))
    assert (files[3], told[3][1]["seed"], told[3][1]["usage"]["total_tokens"]) == (kept, 7, 0)


@pytest.mark.usefixtures("stub_worker")
def test_a_stream_without_previews_is_the_pictures_alone_or_why_there_is_none(
    service: Service, client: redis.Redis
) -> None:
    for fields in ({}, {"partial_images": 0}, {"partial_images": None, "response_format": "url"}):
        told = all_events(service, RED, n=2, seed=5, **fields)
        assert [(name, data["seed"]) for name, data in told] == [
            ("image_generation.completed", seed) for seed in (5, 6)
        ]
        assert [picture(base64.b64decode(data["b64_json"])) for _, data in told] == [
            ("PNG", (128, 128), seed) for seed in (5, 6)
        ]
    assert not client.keys(keys.PREVIEW_PREFIX + "*")
    for prompt, code in (("fail", "generation_failed"), ("filtered", "moderation_blocked")):
        ((name, data),) = all_events(service, prompt)
        assert (name, data["type"], data["error"]["code"]) == ("error", "error", code)
        assert data["error"]["message"] == own_jobs(service)[0]["error"]["detail"]


def test_what_goes_wrong_before_a_stream_is_an_error_like_any_other(service: Service) -> None:
    answer = post(service, stream=True, scheduler="none")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "scheduler")


def test_a_job_that_is_canceled_meanwhile_is_told_to_both_kinds_of_clients(service: Service) -> None:
    with ThreadPoolExecutor() as pool, stream(service, RED) as events:
        plain = pool.submit(post, service)
        for job in wait_until(lambda: len(jobs := own_jobs(service)) == 2 and jobs):
            service.http.post(f"/jobs/{job['id']}/cancel")
        assert next(events)[1]["error"]["code"] == "job_canceled"
        answer = plain.result()
    assert (answer.status_code, answer.headers["x-should-retry"]) == (400, "false")
    assert answer.json()["error"]["code"] == "job_canceled"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    end(server.process)


def test_waiting_clients_outlive_redis_and_are_told_when_the_service_stops(server: Server, tmp_path: Path) -> None:
    service = start_service(server.url, tmp_path)
    with ThreadPoolExecutor() as pool, stream(service, RED) as events:
        plain = pool.submit(httpx.post, service.url + PATH, json={"prompt": RED}, timeout=30, trust_env=False)
        wait_until(lambda: len(own_jobs(service)) == 2)
        server.leave(signal.SIGKILL)
        away = post(service)
        server.come_back()
        assert (away.status_code, away.json()["error"]["code"]) == (503, "queue_unavailable")
        assert (away.headers["retry-after"], "x-should-retry" in away.headers) == ("2", False)
        wait_until(lambda: service.http.get("/readyz").status_code == 200)
        assert not plain.done()
        service.process.send_signal(signal.SIGTERM)
        name, data = next(events)
        assert (name, data["error"]["code"]) == ("error", "queue_unavailable")
        assert (plain.result().status_code, plain.result().headers["retry-after"]) == (503, "2")
    service.http.close()
    end(service.process)
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        jobs = client.keys("rq:job:*")
        assert [client.hget(job, "status") for job in jobs] == ["canceled"] * 2
