"""The OpenAI Images dialect over HTTP: what it takes, what it answers, and how it says no."""

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from service.dialects.error_forms import error_form
from service.dialects.openai.errors import openai_error
from service.errors import QueueFull, RateExceeded, ServiceError, StorageFull, TooManyQueuedJobs
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.event_stream import Connect

PATH = "/v1/images/generations"
RED = "a plain red picture"
"""The stub paints each picture in the red of its seed."""


def post(service: Service, prompt: str = RED, **fields: Any) -> httpx.Response:
    return service.http.post(PATH, json={"prompt": prompt} | fields)


def own_jobs(service: Service) -> list[dict[str, Any]]:
    """Newest first, those that this dialect made."""
    answer = service.http.get("/jobs", params={"label": "dialect:openai"})
    jobs: list[dict[str, Any]] = answer.raise_for_status().json()["jobs"]
    return jobs


def picture(file: bytes) -> tuple[str | None, tuple[int, int], int]:
    """Format, size and how red it is."""
    with Image.open(io.BytesIO(file)) as image:
        return image.format, image.size, image.convert("RGB").getpixel((0, 0))[0]  # type: ignore[index]


@pytest.mark.usefixtures("stub_worker")
def test_the_pictures_are_in_the_answer_each_with_its_seed(service: Service) -> None:
    answer = post(service, n=2, seed=100, size="64x128", model="pocket", num_inference_steps=3, quality="hd", user="u")
    assert answer.status_code == 200
    document = answer.json()
    files = [base64.b64decode(each.pop("b64_json"), validate=True) for each in document["data"]]
    assert document.pop("data") == [{"seed": 100}, {"seed": 101}]
    assert [picture(file) for file in files] == [("PNG", (64, 128), 100), ("PNG", (64, 128), 101)]
    (job,) = own_jobs(service)
    assert document.pop("created") > 1.7e9
    assert document.pop("usage")["total_tokens"] == 0
    assert document == {"background": "opaque", "output_format": "png", "quality": "high", "size": "64x128"}
    assert (job["parameters"]["num_inference_steps"], job["parameters"]["model"]) == (3, "pocket")
    assert files[0] == service.http.get(job["images"][0]["url"]).content


@pytest.mark.usefixtures("stub_worker")
def test_what_is_left_out_is_the_models_and_what_has_no_effect_is_ignored(service: Service) -> None:
    extra = {"moderation": "low", "style": "vivid", "complexity": "high", "steps": 999, "output_compression": 3}
    null = dict.fromkeys(("model", "n", "size", "output_format", "background", "seed", "scheduler", "stream"))
    assert post(service, **extra, **null).status_code == 200
    (job,) = own_jobs(service)
    parameters = job["parameters"]
    assert (parameters["width"], parameters["height"], parameters["num_inference_steps"]) == (128, 128, 20)
    assert (job["style"], len(job["images"]), job["images"][0]["content_type"]) == (None, 1, "image/png")
    assert post(service, style="watercolor", size="auto").json()["size"] == "128x128"
    assert own_jobs(service)[0]["style"]["name"] == "watercolor"


@pytest.mark.usefixtures("stub_worker")
def test_whoever_names_none_of_our_models_gets_a_size_that_the_default_draws_well(service: Service) -> None:
    for model in ("dall-e-3", "gpt-image-2.5-flare", "chatgpt-image-latest", "", None):
        answer = post(service, model=model, size="1792x1024", response_format="url", output_format="webp").json()
        assert answer["size"] == "168x96"
        parameters = own_jobs(service)[0]["parameters"]
        assert (parameters["model"], parameters["width"], parameters["height"]) == ("pocket", 168, 96)
    (told,) = answer["data"]
    assert sorted(told) == ["seed", "url"]
    assert told["url"].startswith(f"{service.url}/images/")
    fetched = httpx.get(told["url"], trust_env=False).content
    assert picture(fetched) == ("WEBP", (168, 96), pytest.approx(told["seed"] % 256, abs=4))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": "a" * 4001}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"n": "2"}, "n"),
        ({"size": "large"}, "size"),
        ({"size": "1024x1024", "model": "pocket"}, "size"),
        ({"size": "100x100", "model": "pocket"}, "size"),
        ({"output_format": "gif"}, "output_format"),
        ({"response_format": "xml"}, "response_format"),
        ({"background": "transparent"}, "background"),
        ({"style": "unheard of"}, "style"),
        ({"partial_images": 4, "stream": True}, "partial_images"),
        ({"stream": "yes"}, "stream"),
        ({"seed": -1}, "seed"),
        ({"num_inference_steps": 101}, "num_inference_steps"),
        ({"guidance_scale": 51}, "guidance_scale"),
        ({"negative_prompt": "a" * 4001}, "negative_prompt"),
        ({"scheduler": "unheard of"}, "scheduler"),
        ({"model": 5}, "model"),
    ],
)
def test_a_value_that_cannot_be_taken_is_named_and_not_echoed(
    service: Service, fields: dict[str, Any], param: str
) -> None:
    answer = post(service, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, "validation_failed")
    assert (error["type"], sorted(error)) == ("invalid_request_error", ["code", "message", "param", "type"])
    assert error["message"].startswith(f"{param}: ")
    assert "unheard of" not in answer.text
    assert own_jobs(service) == []


def test_the_side_that_is_too_long_is_told(service: Service) -> None:
    message = post(service, size="512x128", model="pocket").json()["error"]["message"]
    assert message == "size: width must be at most 256 for model 'pocket'"


def test_other_ways_to_say_no_have_the_same_form(service: Service) -> None:
    json_type = {"Content-Type": "application/json"}
    for answer, status, code in (
        (post(service, model="unheard-of"), 404, "model_not_found"),
        (service.http.get("/v1/models/unheard/of"), 404, "model_not_found"),
        (service.http.post("/v1/images/edits"), 404, "unknown_url"),
        (service.http.get("/v1"), 404, "unknown_url"),
        (service.http.get(PATH), 405, "method_not_allowed"),
        (service.http.post(PATH, content="{", headers=json_type), 400, "invalid_json"),
        (service.http.post(PATH, content="{}"), 415, "unsupported_media_type"),
        (service.http.post(PATH, content=" " * 65537, headers=json_type), 413, "body_too_large"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/json"
        assert (answer.headers["x-should-retry"], bool(answer.headers["x-request-id"])) == ("false", True)
        assert "unheard" not in answer.text


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (RateExceeded("", 7, {"RateLimit": "x"}), 429, "rate_limit_error"),
        (TooManyQueuedJobs("", 7), 429, "rate_limit_error"),
        (QueueFull("", 7), 503, "server_error"),
        (StorageFull("", 7), 507, "server_error"),
    ],
)
def test_what_may_be_taken_later_says_when_and_leaves_it_to_the_client(
    error: ServiceError, status: int, kind: str
) -> None:
    answer = openai_error(error)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert json.loads(bytes(answer.body))["error"] == {"message": "", "type": kind, "param": None, "code": error.code}
    assert "x-should-retry" not in answer.headers
    assert "x-should-retry" not in openai_error(ServiceError("An error that nobody foresaw.")).headers


@pytest.mark.usefixtures("stub_worker")
def test_only_a_job_without_any_picture_is_an_error_and_not_worth_another_try(service: Service) -> None:
    for prompt, status, kind, code in (
        ("fail", 500, "server_error", "generation_failed"),
        ("filtered", 400, "image_generation_user_error", "moderation_blocked"),
    ):
        for form in ("b64_json", "url"):
            answer = post(service, prompt, response_format=form)
            error = answer.json()["error"]
            assert (answer.status_code, error["type"], error["code"]) == (status, kind, code)
            assert answer.headers["x-should-retry"] == "false"
            assert error["message"] == own_jobs(service)[0]["error"]["detail"]
    data = post(service, "filtered 1", n=3, seed=5).json()["data"]
    assert [each["seed"] for each in data] == [5, 7]


def test_the_models_on_offer_are_told_as_openai_tells_its_own(service: Service) -> None:
    pocket = {"id": "pocket", "object": "model", "created": 0, "owned_by": "darkroom"}
    listed = service.http.get("/v1/models", params={"limit": 5}).json()
    assert listed == {"object": "list", "data": [pocket]}
    assert service.http.get("/v1/models/pocket").json() == pocket
    assert service.http.get("/v1/models/gpt-image-1").json() == pocket


def test_a_client_that_hangs_up_has_its_job_canceled(service: Service, connect: Connect) -> None:
    for stream in ("false", "true"):
        body = f'{{"prompt": "{RED}", "stream": {stream}}}'
        client = connect(service.http)
        client.socket.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        wait_until(lambda: [job["status"] for job in own_jobs(service)][:1] == ["queued"])
        client.vanish()
        wait_until(lambda: own_jobs(service)[0]["status"] == "canceled")


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        ("/v1", True),
        ("/v1/models/owner/name", True),
        ("/v1/accounts", True),
        ("/v1/models/owner/name/predictions", False),
        ("/v1/predictions", False),
        ("/v1/predictions/1/cancel", False),
        ("/v1/webhooks/default/secret", False),
        ("/v1/account", False),
        ("/v11", False),
        ("/jobs/v1/", False),
    ],
)
def test_only_the_paths_of_openai_have_the_form_of_its_errors(path: str, theirs: bool) -> None:
    assert (error_form(path) is not None) == theirs
