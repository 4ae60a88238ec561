"""AUTOMATIC1111's API over HTTP, as its clients speak it."""

import base64
import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from service.dialects.a1111.errors import a1111_error
from service.dialects.a1111.routes import MAX_PNG_INFO_BYTES, NOTHING
from service.errors import QueueUnavailable
from service.wire.bounded_body import MAX_BODY_BYTES
from tests.conftest import wait_until
from tests.service.conftest import Service

IDLE = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}

DRAWN = pytest.mark.usefixtures("stub_worker")


def get(service: Service, path: str, **query: Any) -> Any:
    return service.http.get(f"/sdapi/v1/{path}", params=query).raise_for_status().json()


def post(service: Service, path: str, body: Any = None) -> httpx.Response:
    return service.http.post(f"/sdapi/v1/{path}", json=body)


def draw(service: Service, **asked: Any) -> tuple[list[Image.Image], dict[str, Any]]:
    """The pictures, and what is said of them."""
    answer = post(service, "txt2img", asked)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    images = [Image.open(io.BytesIO(base64.b64decode(each, validate=True))) for each in document["images"]]
    return images, json.loads(document["info"])


def jobs(service: Service) -> list[dict[str, Any]]:
    """Those of this dialect, the first one first."""
    found: list[dict[str, Any]] = service.http.get("/jobs", params={"label": "dialect:a1111"}).json()["jobs"]
    return found[::-1]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def begin(service: Service, pool: ThreadPoolExecutor, **asked: Any) -> Future[httpx.Response]:
    """Somebody waits for it while it is drawn."""
    waiting = pool.submit(httpx.post, f"{service.url}/sdapi/v1/txt2img", json=asked, timeout=30, trust_env=False)
    wait_until(lambda: [each for each in jobs(service) if each["progress"]])
    return waiting


@DRAWN
def test_images_beyond_what_one_job_holds_are_drawn_by_several(service: Service) -> None:
    images, info = draw(service, prompt="a fox", seed=7, batch_size=4, n_iter=3, width=100, height=71)
    assert [image.getpixel((0, 0)) for image in images] == [(seed, 0, 0) for seed in range(7, 19)]
    assert {image.size for image in images} == {(96, 64)}
    assert info["all_seeds"] == list(range(7, 19))
    assert info["all_prompts"] == ["a fox"] * 12
    assert [text.partition("Seed: ")[2].split(",")[0] for text in info["infotexts"]] == [*map(str, range(7, 19))]
    assert (info["seed"], info["batch_size"], info["index_of_first_image"]) == (7, 4, 0)
    first, second = jobs(service)
    assert [job["parameters"]["num_images_per_prompt"] for job in (first, second)] == [8, 4]
    assert [job["labels"]["part"] for job in (first, second)] == ["1/2", "2/2"]
    assert first["labels"]["request"] == second["labels"]["request"]


@DRAWN
def test_what_is_said_is_what_was_drawn(service: Service) -> None:
    images, info = draw(
        service,
        prompt="a fox",
        styles=["pixel art"],
        steps="5",
        seed=-1,
        sampler_index="DPM++ 2M Karras",
        override_settings={"sd_model_checkpoint": "pocket.safetensors [0123456789]", "CLIP_stop_at_last_layers": 2},
        send_images=False,
    )
    (job,) = jobs(service)
    drawn = job["parameters"]
    assert images == []
    assert info["all_seeds"] == [drawn["seed"]]
    assert info["styles"] == [job["style"]["name"]] == ["pixel art"]
    assert info["prompt"] == drawn["prompt"] != "a fox"
    assert info["negative_prompt"] == drawn["negative_prompt"]
    assert (info["sampler_name"], info["extra_generation_params"]) == ("DPM++ 2M", {"Schedule type": "Automatic"})
    assert (info["sd_model_name"], info["clip_skip"], drawn["clip_skip"]) == ("pocket", 2, 1)
    assert (info["width"], info["height"], info["steps"]) == (128, 128, 5)


NAMED = {"override_settings": {"sd_model_checkpoint": "pocket"}}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, [["prompt"]]),
        ({"prompt": "a", "width": 63, "steps": "many"}, [["steps"], ["width"]]),
        ({"prompt": "a", "sampler_name": "LMS"}, [["sampler_name"]]),
        ({"prompt": "a", "cfg_scale": 51}, [["cfg_scale"]]),
        ({"prompt": "a", "steps": 0}, [["steps"]]),
        ({"prompt": "a", "batch_size": 11, "n_iter": 3}, [["n_iter"]]),
        ({"prompt": "a", "batch_size": 0}, [["batch_size"]]),
        ({"prompt": "a", "seed": 4294967294, "n_iter": 3}, [["seed"]]),
        ({"prompt": "a", "styles": ["photo", "anime"]}, [["styles"]]),
        ({"prompt": "a", "styles": ["unheard of"]}, [["styles"]]),
        ({"prompt": "a", "width": 512, "steps": 150} | NAMED, [["width"], ["steps"]]),
        (
            {"prompt": "a", "override_settings": {"sd_model_checkpoint": "unheard of"}},
            [["override_settings", "sd_model_checkpoint"]],
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_the_names_that_the_client_knows(
    service: Service, body: dict[str, Any], fields: list[list[str]]
) -> None:
    answer = post(service, "txt2img", body)
    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["body", *field] for field in fields]
    assert "unheard of" not in answer.text
    assert jobs(service) == []


@DRAWN
def test_a_job_that_fails_is_an_error_and_leaves_nothing_behind_it(service: Service) -> None:
    answer = post(service, "txt2img", {"prompt": "fail", "n_iter": 16})
    assert (answer.status_code, "ValueError" in answer.json()["detail"]) == (500, True)
    wait_until(lambda: {job["status"] for job in jobs(service)} <= {"failed", "canceled"})
    answer = post(service, "txt2img", {"prompt": "filtered"})
    assert (answer.status_code, set(answer.json())) == (422, {"detail"})
    images, info = draw(service, prompt="filtered 1", batch_size=3, seed=5)
    assert ([image.getpixel((0, 0))[0] for image in images], info["all_seeds"]) == ([5, 7], [5, 7])  # type: ignore[index]


@DRAWN
def test_progress_is_that_of_the_request_that_is_drawn(service: Service, pool: ThreadPoolExecutor) -> None:
    assert get(service, "progress") == {
        "progress": 0.0,
        "eta_relative": 0.0,
        "state": IDLE,
        "current_image": None,
        "textinfo": None,
    }
    waiting = begin(service, pool, prompt="steps 40", n_iter=16)
    now = get(service, "progress")
    assert Image.open(io.BytesIO(base64.b64decode(now["current_image"]))).format == "JPEG"
    state = now["state"]
    assert (state["job"], state["job_count"], state["job_no"], state["sampling_steps"]) == ("scripts_txt2img", 2, 0, 40)
    assert 0 < state["sampling_step"] < 40
    assert now["progress"] == pytest.approx(0.01 + state["sampling_step"] / 80)
    assert get(service, "progress", skip_current_image="true")["current_image"] is None
    assert post(service, "skip").json() is None
    second = wait_until(lambda: (now := get(service, "progress", skip_current_image=True))["state"]["job_no"] and now)
    assert second["progress"] >= 0.51
    assert (post(service, "interrupt").json(), waiting.result().status_code) == ({}, 200)
    assert get(service, "progress")["state"] == IDLE


def test_a_job_that_came_another_way_is_let_alone(service: Service) -> None:
    job = service.submit()
    assert get(service, "progress")["state"] == IDLE
    for path in ("interrupt", "skip"):
        post(service, path)
    assert service.http.get(f"/jobs/{job['id']}").json()["status"] == "queued"


def test_labels_that_a_client_puts_on_a_job_of_its_own_do_no_harm(service: Service) -> None:
    for labels in ({}, {"part": "x/0", "request": "1"}):
        service.submit(labels={"dialect": "a1111"} | labels)
        assert get(service, "progress")["state"]["job_count"] == 1
        assert post(service, "interrupt").json() == {}
        assert get(service, "progress")["state"] == IDLE


@DRAWN
def test_an_interrupt_gives_whoever_waits_what_is_ready(service: Service, pool: ThreadPoolExecutor) -> None:
    assert post(service, "interrupt").json() == {}
    waiting = begin(service, pool, prompt="steps 200", n_iter=9)
    later = pool.submit(httpx.post, f"{service.url}/sdapi/v1/txt2img", json={"prompt": "a fox"}, trust_env=False)
    wait_until(lambda: len(jobs(service)) == 3)
    post(service, "interrupt")
    answer = waiting.result()
    assert (answer.status_code, answer.json()["images"]) == (200, [])
    info = json.loads(answer.json()["info"])
    assert (info["all_seeds"], info["infotexts"], info["prompt"]) == ([], [], "steps 200")
    assert len(later.result().json()["images"]) == 1  # which is another request
    assert [job["status"] for job in jobs(service)] == ["canceled", "canceled", "succeeded"]


def test_a_client_that_hangs_up_wants_no_picture(service: Service) -> None:
    body = json.dumps({"prompt": "steps 200", "n_iter": 9}).encode()
    head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((service.http.base_url.host, service.http.base_url.port)) as client:
        client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        wait_until(lambda: len(jobs(service)) == 2)
    wait_until(lambda: [job["status"] for job in jobs(service)] == ["canceled", "canceled"])


def test_lists_are_of_the_model_on_offer_and_what_there_is_not_is_empty(service: Service) -> None:
    assert [each["name"] for each in get(service, "samplers")] == [
        *("DDIM", "DDPM", "Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "UniPC")
    ]
    assert [each["label"] for each in get(service, "schedulers")] == ["Automatic"]
    nameless = {"hash": None, "sha256": None, "config": None}
    assert get(service, "sd-models") == [{"title": "pocket", "model_name": "pocket", "filename": "pocket"} | nameless]
    styles = get(service, "prompt-styles")
    assert styles == service.http.get("/styles").json()["styles"]
    for name, value in NOTHING.items():
        assert get(service, name) == value
    for name in ("refresh-checkpoints", "refresh-loras", "refresh-vae"):
        assert post(service, name).json() is None


def test_options_can_be_sent_back_as_they_are(service: Service) -> None:
    options = get(service, "options")
    assert options["sd_model_checkpoint"] == "pocket"
    assert post(service, "options", options | {"CLIP_stop_at_last_layers": 1, "unheard_of": []}).json() is None
    refused = post(service, "options", {"sd_model_checkpoint": "unheard of"})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "sd_model_checkpoint"])
    assert "unheard of" not in refused.text


def test_there_is_no_img2img_and_no_interrogate(service: Service) -> None:
    answer = post(service, "img2img", {"prompt": "a fox", "init_images": ["x"]})
    assert (answer.status_code, "no img2img" in answer.json()["detail"]) == (404, True)
    for method in ("GET", "POST"):  # by which clients find out
        answer = service.http.request(method, "/sdapi/v1/interrogate")
        assert (answer.status_code, set(answer.json())) == (404, {"detail"})


def png_info(service: Service, content: str) -> Any:
    return post(service, "png-info", {"image": content}).raise_for_status().json()


@DRAWN
def test_a_picture_tells_how_it_was_made(service: Service) -> None:
    answer = post(service, "txt2img", {"prompt": "a fox", "seed": 3, "batch_size": 2, "steps": 4})
    second = answer.json()["images"][1]
    for content in (second, f"data:image/png;base64,{second}", f"{second[:76]}\n{second[76:]}\n"):
        told = png_info(service, content)
        assert told["info"] == json.loads(answer.json()["info"])["infotexts"][1]
        assert told["parameters"] == {
            "Prompt": "a fox",
            "Negative prompt": "",
            "Steps": "4",
            "Sampler": "DDIM",
            "Schedule type": "Automatic",
            "CFG scale": "4.0",
            "Seed": "4",
            "Size-1": "128",
            "Size-2": "128",
            "Model": "pocket",
        }
    silent = io.BytesIO()
    Image.effect_noise((400, 400), 100).save(silent, "PNG")
    assert len(silent.getvalue()) > MAX_BODY_BYTES
    nothing = {"info": "", "items": {}, "parameters": {}}
    assert png_info(service, base64.b64encode(silent.getvalue()).decode()) == nothing
    for content in ("", "a fox", "YSBmb3g="):
        refused = post(service, "png-info", {"image": content})
        assert (refused.status_code, set(refused.json())) == (422, {"detail"})
    assert post(service, "png-info", {"image": "A" * MAX_PNG_INFO_BYTES}).status_code == 413


def test_an_error_keeps_what_it_says_in_headers() -> None:
    answer = a1111_error(QueueUnavailable("The queue does not answer.", 7))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert json.loads(bytes(answer.body)) == {"detail": "The queue does not answer."}
