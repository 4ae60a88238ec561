"""POST /huggingface over HTTP: a picture for a prompt, and errors as its clients show them."""

import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from service.dialects.huggingface_error import huggingface_error
from service.errors import QueueFull, QueueUnavailable, StoreUnavailable
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.event_stream import Connect

PATH = "/huggingface"
MODEL = "/huggingface/models/pocket"


def post(
    service: Service, inputs: Any, path: str = PATH, accept: str = "image/png", **parameters: Any
) -> httpx.Response:
    body = {"inputs": inputs, "parameters": parameters, "options": {"use_cache": False}}
    return service.http.post(path, json=body, headers={"Accept": accept, "x-wait-for-model": "true"})


def newest(service: Service) -> dict[str, Any]:
    jobs = service.http.get("/jobs", params={"label": "dialect:huggingface"}).json()["jobs"]
    job: dict[str, Any] = jobs[0]
    return job


@pytest.mark.usefixtures("stub_worker")
def test_the_answer_is_the_picture(service: Service) -> None:
    asked = {"width": 64, "height": 128, "num_inference_steps": 3, "guidance_scale": 2, "seed": 7, "scheduler": "DDIM"}
    answer = post(service, "a fox", negative_prompt="blurry", num_images_per_prompt=3, style=None, strange=1, **asked)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(answer.content)).size == (64, 128)
    told = newest(service)["parameters"]
    assert (
        told.items() >= (asked | {"prompt": "a fox", "negative_prompt": "blurry", "num_images_per_prompt": 1}).items()
    )


@pytest.mark.usefixtures("stub_worker")
def test_the_picture_is_in_the_format_that_was_asked_for(service: Service) -> None:
    for accept, parameters, content_type in [
        ("image/webp", {"output_format": None, "clip_skip": None}, "image/webp"),
        ("image/webp;q=0.5, image/jpeg", {}, "image/jpeg"),
        ("application/json", {}, "image/png"),
        ("image/png", {"output_format": "webp"}, "image/webp"),
    ]:
        answer = post(service, "a fox", MODEL, accept, **parameters)
        assert answer.headers["content-type"] == content_type
        assert Image.open(io.BytesIO(answer.content)).get_format_mimetype() == content_type


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"inputs": "  "}, 422, "/inputs: must not be blank"),
        ({"inputs": 7, "parameters": {"width": 4096}}, 422, "/inputs: "),
        ({"parameters": {"seed": 1}}, 422, "/inputs: "),
        ({"inputs": "a", "parameters": {"width": "64"}}, 422, "/parameters/width: "),
        ({"inputs": "a", "parameters": {"width": 4096}}, 422, "/parameters/width: must be at most 256"),
        ({"inputs": "a", "parameters": {"scheduler": "secret"}}, 422, "/parameters/scheduler: must be one of DDIM"),
        ({"inputs": "a", "parameters": [1]}, 422, "/parameters: "),
        ([], 422, "body: "),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_the_names_that_were_sent(
    service: Service, body: Any, status: int, said: str
) -> None:
    answer = service.http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, "validation_failed")
    assert said in answer.json()["error"]
    assert "secret" not in answer.text


def test_every_error_has_their_form(service: Service) -> None:
    for answer, status, code in [
        (service.http.post(PATH, content="{"), 415, "unsupported_media_type"),
        (service.http.post(PATH, content="{", headers={"Content-Type": "application/json"}), 400, "invalid_json"),
        (post(service, "a", "/huggingface/models/nobody/nothing"), 404, "not_found"),
        (post(service, "a", "/huggingface/models/"), 404, "not_found"),
        (service.http.get(PATH), 405, "method_not_allowed"),
        (service.http.post("/huggingface/nothing"), 404, "not_found"),
        (service.http.post(PATH, json={"inputs": "a" * 70_000}), 413, "body_too_large"),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json().keys() == {"error", "code"}


@pytest.mark.usefixtures("stub_worker")
def test_a_job_without_a_picture_is_an_error(service: Service) -> None:
    for prompt, status, code in [("fail", 500, "generation_failed"), ("filtered", 422, "image_filtered")]:
        answer = post(service, prompt)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.usefixtures("stub_worker")
def test_whoever_hangs_up_cancels(service: Service, connect: Connect) -> None:
    body = json.dumps({"inputs": "steps 100"})
    stream = connect(service.http)
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    stream.socket.sendall(f"{head}\r\n\r\n{body}".encode())
    wait_until(lambda: service.http.get("/jobs").json()["jobs"] and newest(service)["status"] == "running")
    stream.vanish()
    wait_until(lambda: newest(service)["status"] == "canceled")


def test_no_error_makes_a_client_ask_again_at_once() -> None:
    """The one for JavaScript does where the status is 503, without a pause and without an end."""
    for error, status in [
        (QueueFull("full", 5), 429),
        (QueueUnavailable("no answer"), 502),
        (StoreUnavailable("no answer"), 502),
    ]:
        answer = huggingface_error(error)
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (status, True)
