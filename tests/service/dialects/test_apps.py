"""What apps send that cannot be installed here, request by request as their own sources have it.

Each literal names the app and the release or commit that was read. Knows nothing of the dialects but what an app reads.
"""

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.service.conftest import Service

pytestmark = pytest.mark.usefixtures("stub_worker")

# Open WebUI 0.12.4, open_webui/routers/images.py: both engines as they are from the start, with the credentials of one
# that was given none: a blank follows them on the wire, which no server reads.
OPEN_WEBUI_BASIC = {"authorization": "Basic"}
OPEN_WEBUI_A1111 = {"prompt": "a fox", "batch_size": 1, "width": 512, "height": 512, "steps": 50}
OPEN_WEBUI_BEARER = {"Authorization": "Bearer", "Content-Type": "application/json"}
OPEN_WEBUI_OPENAI = {
    "model": "dall-e-2",
    "prompt": "a fox",
    "n": 1,
    "size": "512x512",
    "response_format": "b64_json",
}
OPEN_WEBUI_GPT_IMAGE = {"model": "gpt-image-1.5", "prompt": "a fox", "n": 2, "size": "auto"}

# SillyTavern 1.19.0, src/endpoints/stable-diffusion.js and the body that public/scripts/extensions/stable-diffusion
# gives it, without a user name and password.
SILLYTAVERN_BASIC = {"Authorization": "Basic"}
SILLYTAVERN = {
    "url": "http://127.0.0.1:8000",
    "auth": "",
    "prompt": "a fox, (red:1.2)",
    "negative_prompt": "lowres, bad anatomy",
    "sampler_name": "Euler a",
    "scheduler": "normal",
    "steps": 20,
    "cfg_scale": 7,
    "width": 512,
    "height": 512,
    "restore_faces": False,
    "enable_hr": False,
    "hr_upscaler": "Latent",
    "hr_scale": 1,
    "hr_additional_modules": [],
    "denoising_strength": 0.7,
    "hr_second_pass_steps": 0,
    "override_settings": {"CLIP_stop_at_last_layers": 1},
    "override_settings_restore_afterwards": True,
    "clip_skip": 1,
    "save_images": True,
    "send_images": True,
    "do_not_save_grid": False,
    "do_not_save_samples": False,
}

# LibreChat, api/app/clients/tools/structured/StableDiffusion.js at 00b3bc3, and as it was at 7cacd8a: fixed but for the
# words.
LIBRECHAT_A1111 = {
    "prompt": "a fox",
    "negative_prompt": "ugly",
    "cfg_scale": 4.5,
    "steps": 22,
    "width": 1024,
    "height": 1024,
}
LIBRECHAT_A1111_BEFORE = LIBRECHAT_A1111 | {"sampler_index": "DPM++ 2M Karras"}
# LibreChat, OpenAIImageTools.js at 8731432, through openai-node; the model is gpt-image-1 there, gpt-image-2.5-flare in
# its documentation of today. The sizes are all that its tool lets a language model choose.
LIBRECHAT_BEARER = {"Authorization": "Bearer any", "X-Stainless-Lang": "js", "X-Stainless-Retry-Count": "0"}
LIBRECHAT_OPENAI = {
    "model": "gpt-image-2.5-flare",
    "prompt": "a fox",
    "n": 1,
    "background": "auto",
    "output_format": "png",
    "quality": "auto",
    "size": "auto",
}
LIBRECHAT_SIZES = {"auto": (128, 128), "1024x1024": (128, 128), "1536x1024": (152, 104), "1024x1536": (104, 152)}


def sdapi(service: Service, path: str, headers: dict[str, str], body: Any = None) -> Any:
    """What an app reads of AUTOMATIC1111's API; it gives up where the status is no success."""
    method = "GET" if body is None else "POST"
    return service.http.request(method, f"/sdapi/v1/{path}", headers=headers, json=body).raise_for_status().json()


def generations(service: Service, headers: dict[str, str], body: dict[str, Any], **query: str) -> httpx.Response:
    return service.http.post("/v1/images/generations", params=query, headers=headers, json=body)


def opened(content: str) -> Image.Image:
    """A picture that came as base64 and nothing else: apps cut at a comma."""
    return Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


def last_parameters(service: Service) -> dict[str, Any]:
    parameters: dict[str, Any] = service.http.get("/jobs", params={"limit": 1}).json()["jobs"][0]["parameters"]
    return parameters


def test_open_webui_with_its_engine_automatic1111(service: Service) -> None:
    (model,) = sdapi(service, "sd-models", OPEN_WEBUI_BASIC)
    assert (model["title"], model["model_name"]) == ("pocket", "pocket")
    # An administrator's choice of a model: the whole object comes back.
    options = sdapi(service, "options", OPEN_WEBUI_BASIC)
    sdapi(service, "options", OPEN_WEBUI_BASIC, options | {"sd_model_checkpoint": model["title"]})
    assert sdapi(service, "options", OPEN_WEBUI_BASIC) == options
    answer = sdapi(service, "txt2img", OPEN_WEBUI_BASIC, OPEN_WEBUI_A1111)
    (image,) = map(opened, answer["images"])
    assert (image.format, image.size) == ("PNG", (128, 128))
    assert isinstance(answer["info"], str)
    assert last_parameters(service)["num_inference_steps"] == OPEN_WEBUI_A1111["steps"]


def test_open_webui_with_its_engine_openai(service: Service) -> None:
    for body, size in ((OPEN_WEBUI_OPENAI, (128, 128)), (OPEN_WEBUI_GPT_IMAGE, (128, 128))):
        answer = generations(service, OPEN_WEBUI_BEARER, body, **{"api-version": "2024-10-21"})
        data = answer.raise_for_status().json()["data"]
        # It would rather fetch a URL, and refuses private addresses: there must be none.
        assert [(opened(each["b64_json"]).size, "url" in each) for each in data] == [(size, False)] * int(
            str(body["n"])
        )
    refused = generations(service, OPEN_WEBUI_BEARER, OPEN_WEBUI_OPENAI | {"model": "pocket"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "size")


def test_sillytavern(service: Service) -> None:
    sdapi(service, "options", SILLYTAVERN_BASIC)
    assert [each["title"] for each in sdapi(service, "sd-models", SILLYTAVERN_BASIC)] == ["pocket"]
    assert SILLYTAVERN["sampler_name"] in [each["name"] for each in sdapi(service, "samplers", SILLYTAVERN_BASIC)]
    assert all(each["name"] for each in sdapi(service, "schedulers", SILLYTAVERN_BASIC))
    assert [sdapi(service, path, SILLYTAVERN_BASIC) for path in ("upscalers", "latent-upscale-modes", "sd-vae")] == [
        [],
        [],
        [],
    ]
    sdapi(service, "options", SILLYTAVERN_BASIC, {"sd_model_checkpoint": "pocket"})
    progress = sdapi(service, "progress", SILLYTAVERN_BASIC)
    # Anything else, and it waits for twenty seconds.
    assert (progress["progress"], progress["state"]["job_count"]) == (0, 0)
    assert "forge_preset" not in sdapi(service, "options", SILLYTAVERN_BASIC)
    image = opened(sdapi(service, "txt2img", SILLYTAVERN_BASIC, SILLYTAVERN)["images"][0])
    assert (image.format, image.size) == ("PNG", (128, 128))
    drawn = last_parameters(service)
    assert (drawn["scheduler"], drawn["guidance_scale"], drawn["clip_skip"]) == ("Euler a", 7, 0)
    assert (drawn["prompt"], drawn["prompt_weighting"]) == (SILLYTAVERN["prompt"], True)


def test_librechat_with_its_tool_stable_diffusion(service: Service) -> None:
    for body in (LIBRECHAT_A1111, LIBRECHAT_A1111_BEFORE):
        answer = sdapi(service, "txt2img", {}, body)
        image, info = opened(answer["images"][0]), json.loads(answer["info"])
        assert image.size == (info["width"], info["height"]) == (128, 128)
        assert info["infotexts"] == [image.text["parameters"]]  # type: ignore[attr-defined]
        drawn = last_parameters(service)
        assert (info["seed"], drawn["num_inference_steps"], drawn["guidance_scale"]) == (drawn["seed"], 22, 4.5)


def test_librechat_with_its_openai_image_tools(service: Service) -> None:
    for size, drawn in LIBRECHAT_SIZES.items():
        answer = generations(service, LIBRECHAT_BEARER, LIBRECHAT_OPENAI | {"size": size}).raise_for_status()
        assert opened(answer.json()["data"][0]["b64_json"]).size == drawn
    webp = LIBRECHAT_OPENAI | {"output_format": "webp", "output_compression": 100, "quality": "high"}
    assert opened(generations(service, LIBRECHAT_BEARER, webp).json()["data"][0]["b64_json"]).format == "WEBP"
    # What it shows a language model of these is the message.
    transparent = generations(service, LIBRECHAT_BEARER, LIBRECHAT_OPENAI | {"background": "transparent"})
    assert (transparent.status_code, transparent.json()["error"]["param"]) == (400, "background")
    form = {"model": "gpt-image-2.5-flare", "prompt": "a fox", "quality": "auto", "size": "auto"}
    edit = service.http.post("/v1/images/edits", headers=LIBRECHAT_BEARER, data=form, files={"image[]": b"PNG"})
    assert (edit.status_code, edit.json()["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//sdapi/v1/options", 200),
        ("/v1//models", 200),
        ("//v1///models/pocket", 200),
        ("/v1//predictions?cursor=", 422),  # as without: the query stays
        ("//livez", 404),
        ("/jobs//v1/models", 404),
        ("//nowhere/v1/models", 404),
    ],
)
def test_a_base_url_that_ends_with_a_slash_is_taken(service: Service, path: str, status: int) -> None:
    assert service.http.get(httpx.URL(service.url, raw_path=path.encode())).status_code == status


def test_such_a_path_is_as_any_other_to_what_looks_before_the_routes_do(service: Service) -> None:
    large = service.http.post(httpx.URL(service.url, raw_path=b"//sdapi/v1/png-info"), json={"image": "A" * 100_000})
    assert (large.status_code, large.json()["detail"]) == (422, "The body is no PNG, JPEG or WebP.")
    asked = httpx.URL(service.url, raw_path=b"/v1//images/generations")
    assert service.http.post(asked, content=b" " * 100_000).json()["error"]["code"] == "body_too_large"
    assert service.http.post(asked, headers={"Host": "evil.example"}).json()["error"]["code"] == "host_not_allowed"
