"""The main job: a prompt in, a real picture of the bundled model out."""

import hashlib
import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import wait_until
from tests.exposition import Exposition, names, scrape, scrape_port
from tests.integration.conftest import READY_SECONDS, Serve, StartServe
from tests.onnx_file import OPEN_NSFW
from worker.image_classifier import load_image_classifier
from worker.settings import WorkerSettings

PROMPT = "a photo of a panda on a red background"


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def test_a_prompt_becomes_a_picture(serve: Serve) -> None:
    job = serve.end_of(serve.submit(prompt=PROMPT, seed=1))
    (image,) = job["images"]
    picture = pixels(serve.http.get(image["url"]).content)
    assert picture.shape == (image["height"], image["width"], 3) == (128, 128, 3)
    assert job["progress"] == {"step": 20, "total": 20}
    assert (job["attempts"], job["batch_size"], job["rung"]) == (1, 1, "cpu")
    assert job["timings"].pop("filter_seconds") is None
    assert all(seconds > 0 for seconds in job["timings"].values())


@pytest.mark.parametrize(("colour", "strongest"), [("red", 0), ("green", 1), ("blue", 2)])
def test_the_background_has_the_colour_that_was_asked_for(serve: Serve, colour: str, strongest: int) -> None:
    (content,) = serve.images(prompt=f"a photo of a panda on a {colour} background", seed=3)
    border = np.concatenate([pixels(content)[:6].reshape(-1, 3), pixels(content)[-6:].reshape(-1, 3)])
    assert int(border.mean(0).argmax()) == strongest


def test_the_prompt_the_guidance_and_the_seed_each_change_the_picture(serve: Serve) -> None:
    base = {"prompt": PROMPT, "seed": 5, "num_inference_steps": 4}
    first = serve.images(**base)
    changes = ({"prompt": "a photo of a rocket"}, {"guidance_scale": 1.5}, {"seed": 6}, {"negative_prompt": "red"})
    for change in changes:
        assert serve.images(**(base | change)) != first, change


def test_the_same_request_gives_the_same_bytes(serve: Serve) -> None:
    request = {"prompt": PROMPT, "seed": 11, "num_images_per_prompt": 2, "num_inference_steps": 8}
    assert serve.images(**request) == serve.images(**request)


def test_image_i_is_the_picture_of_a_single_request_with_the_next_seed(serve: Serve) -> None:
    together = serve.images(prompt=PROMPT, seed=20, num_images_per_prompt=3, num_inference_steps=8)
    for index, content in enumerate(together):
        (alone,) = serve.images(prompt=PROMPT, seed=20 + index, num_inference_steps=8)
        assert np.abs(pixels(content) - pixels(alone)).max() <= 1
    assert len(set(together)) == 3


def test_a_style_changes_the_picture_and_what_it_made_of_the_prompt_gives_it_again(serve: Serve) -> None:
    base = {"prompt": PROMPT, "seed": 7, "num_inference_steps": 6}
    job = serve.end_of(serve.submit(**base, style="pencil sketch"))
    assert job["style"] == {"name": "pencil sketch", "prompt": PROMPT, "negative_prompt": None}
    (sketch,) = [serve.http.get(image["url"]).content for image in job["images"]]
    assert serve.images(**job["parameters"]) == [sketch]
    assert serve.images(**base) != [sketch]


def test_weights_long_prompts_and_skipped_layers_change_the_picture(serve: Serve) -> None:
    long = "a very cute panda, " * 12
    base = {"prompt": f"{long}red background", "seed": 5, "num_inference_steps": 4, "embed_parameters": False}
    jobs = [
        serve.end_of(serve.submit(**base | changes))
        for changes in (
            {},
            {"prompt_weighting": True},
            {"prompt": f"{long}blue background"},
            {"prompt": f"(a rocket:1.5) {long}", "prompt_weighting": True},
            {"prompt": f"(a rocket:1.5) {long}"},
            {"clip_skip": 1},
        )
    ]
    assert [job["warnings"] for job in jobs] == [[]] * 6
    first, unweighted, *changed = [serve.http.get(job["images"][0]["url"]).content for job in jobs]
    assert unweighted == first
    assert len({first, *changed}) == 5


@pytest.mark.parametrize(("weights", "strongest"), [((0.2, 1.6), 0), ((1.6, 0.2), 1)])
def test_of_two_colours_the_one_that_weighs_more_is_seen(
    serve: Serve, weights: tuple[float, float], strongest: int
) -> None:
    red, green = f"(red:{weights[1]})", f"(green:{weights[0]})"
    (content,) = serve.images(prompt=f"a panda on a {green} {red} background", prompt_weighting=True, seed=4)
    assert int(pixels(content)[:6].reshape(-1, 3).mean(0).argmax()) == strongest


@pytest.mark.parametrize("scheduler", ["DDIM", "DDPM", "Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "UniPC"])
def test_every_scheduler_on_offer_keeps_a_black_background_black(serve: Serve, scheduler: str) -> None:
    (content,) = serve.images(prompt="a photo of a panda on a black background", scheduler=scheduler, seed=2)
    assert pixels(content)[:6].mean() < 60


@pytest.mark.parametrize("size", [(64, 64), (256, 128), (136, 72)])
def test_other_sizes_are_drawn_at_that_size(serve: Serve, size: tuple[int, int]) -> None:
    width, height = size
    (content,) = serve.images(width=width, height=height, num_inference_steps=2)
    assert pixels(content).shape == (height, width, 3)


@pytest.mark.parametrize(("output_format", "magic"), [("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")])
def test_other_formats_are_what_they_say(serve: Serve, output_format: str, magic: bytes) -> None:
    job = serve.end_of(serve.submit(output_format=output_format, num_inference_steps=2))
    answer = serve.http.get(job["images"][0]["url"])
    assert answer.content.startswith(magic)
    assert answer.headers["content-type"] == f"image/{output_format}"


def test_parameters_read_from_a_png_draw_it_again(serve: Serve) -> None:
    (content,) = serve.images(prompt=PROMPT, seed=31, num_inference_steps=6)
    with Image.open(io.BytesIO(content)) as image:
        text = image.info["parameters"]
    assert text.splitlines()[0] == PROMPT
    assert "Steps: 6, Sampler: DDIM, Schedule type: Automatic, CFG scale: 4.0, Seed: 31, Size: 128x128" in text
    assert serve.images(prompt=PROMPT, seed=31, num_inference_steps=6) == [content]


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_a_picture_is_drawn_again_from_nothing_but_its_file(serve: Serve, output_format: str) -> None:
    asked = {
        "prompt": f'{PROMPT}, "狐 🦊", <b> & \\\r\nNegative prompt: none\nSteps: 1, Sampler: Euler',
        "negative_prompt": "blue, 𝔟𝔩𝔲𝔢\nNegative prompt: x",
        "num_inference_steps": 3,
        "num_images_per_prompt": 2,
        "scheduler": "DPM++ 2M SDE",
    }
    job = serve.end_of(serve.submit(output_format=output_format, **asked))
    for image in job["images"]:
        content = serve.http.get(image["url"]).content
        inspection = serve.http.post(
            "/inspect", content=content, headers={"Content-Type": image["content_type"]}
        ).json()
        assert (inspection["index"], inspection["seed"]) == (image["index"], image["seed"])
        again = serve.end_of(serve.submit(**inspection["parameters"]))
        assert again["images"][image["index"]]["sha256"] == hashlib.sha256(content).hexdigest() == image["sha256"]


def test_what_a_classifier_flags_is_withheld_and_nothing_else(serve: Serve, start: StartServe) -> None:
    judge = load_image_classifier(WorkerSettings(image_classifier=OPEN_NSFW))
    assert judge is not None
    asked = {"prompt": PROMPT, "seed": 40, "num_images_per_prompt": 4, "num_inference_steps": 6}
    pictures = serve.images(**asked)
    scores = [judge.score(Image.open(io.BytesIO(content)).convert("RGB")) for content in pictures]
    ranked = sorted(scores)
    gap, threshold = max((above - below, (above + below) / 2) for below, above in pairwise(ranked))
    assert gap > 1e-4
    flagged = [index for index, score in enumerate(scores) if score > threshold]

    filtering = start(
        DARKROOM_IMAGE_CLASSIFIER=str(OPEN_NSFW), DARKROOM_IMAGE_CLASSIFIER_THRESHOLD=str(threshold)
    ).until_ready()
    job = filtering.end_of(filtering.submit(**asked))
    assert [int(warning["detail"].split()[1]) for warning in job["warnings"]] == flagged
    assert [image["index"] for image in job["images"]] == [index for index in range(4) if index not in flagged]
    assert job["timings"]["filter_seconds"] > 0
    for image in job["images"]:
        assert image["seed"] == 40 + image["index"]
        assert filtering.http.get(image["url"]).content == pictures[image["index"]]
    for index in flagged:
        assert filtering.http.get(f"/images/{job['id']}/{index}.png").status_code == 404
        alone = filtering.submit(**asked | {"seed": 40 + index, "num_images_per_prompt": 1})
        failed = filtering.job(alone, wait=60)
        assert (failed["status"], failed["error"]["code"], failed["images"]) == ("failed", "image_filtered", [])
    files = [path.parent.name for path in (filtering.data_dir / "images").rglob("*.png")]
    assert files == [job["id"]] * len(job["images"])
    stream = filtering.http.get(f"/jobs/{filtering.submit(**asked)}/events", params={"preview": "1"}).text
    assert "event: progress" in stream
    assert "event: preview" not in stream


def test_a_running_job_shows_its_progress_and_can_be_canceled(serve: Serve) -> None:
    job_id = serve.submit(num_inference_steps=100, num_images_per_prompt=8)
    wait_until(lambda: (serve.job(job_id)["progress"] or {"step": 0})["step"] > 0, 30)
    assert serve.http.post(f"/jobs/{job_id}/cancel").status_code == 200
    job = serve.job(job_id, wait=30)
    assert (job["status"], job["images"]) == ("canceled", [])
    assert 0 < job["progress"]["step"] < 100


def test_a_grid_becomes_pictures_that_differ_and_a_sheet_of_them(serve: Serve) -> None:
    """What its axes name changes the pictures, and nothing else does."""
    body = {
        "parameters": {"prompt": PROMPT, "seed": 5},
        "x": {"parameter": "num_inference_steps", "values": [1, 4]},
        "y": {"parameter": "guidance_scale", "values": [1, 4]},
    }
    grid = serve.http.post("/grids", json=body).json()

    def ended() -> dict[str, Any] | None:
        now = serve.http.get(f"/grids/{grid['id']}", params={"wait": 60}).json()
        return now if now["status"] == "ended" else None

    cells = wait_until(ended, READY_SECONDS)["cells"]
    assert [cell["status"] for cell in cells] == ["succeeded"] * 4
    assert len({cell["image"]["sha256"] for cell in cells}) == 4
    assert {cell["image"]["seed"] for cell in cells} == {5}
    assert all(cell["timings"]["denoise_seconds"] > 0 for cell in cells)
    alone = serve.submit(prompt=PROMPT, seed=5, num_inference_steps=4, guidance_scale=4)
    assert serve.end_of(alone)["images"][0]["sha256"] == cells[3]["image"]["sha256"]
    sheet = serve.http.get(grid["sheet_url"])
    with Image.open(io.BytesIO(sheet.content)) as picture:
        assert picture.width > 2 * 128
        assert picture.height > 2 * 128


def test_a_job_leaves_its_times_its_memory_and_its_rung_in_the_metrics(serve: Serve) -> None:
    def told() -> tuple[Exposition, Exposition]:
        return scrape(str(serve.http.base_url).rstrip("/")), scrape_port(serve.metrics_port)

    service_before, worker_before = told()
    job = serve.end_of(serve.submit(num_images_per_prompt=2, num_inference_steps=3))
    service, worker = told()

    def more(name: str, **labels: str) -> float:
        one, other = (worker, worker_before) if name in names([worker]) else (service, service_before)
        return one.value(name, **labels) - other.value(name, **labels)

    for phase in ("denoise", "decode", "store"):
        assert more(f"darkroom_{phase}_seconds_count", model="pocket") == 1
        assert abs(more(f"darkroom_{phase}_seconds_sum") - job["timings"][f"{phase}_seconds"]) < 1e-5
    assert worker.value("darkroom_load_seconds_count") == 0  # it was warm
    assert more("darkroom_batch_images_sum") == 2
    assert worker.value("darkroom_model_rung", model="pocket", rung="cpu") == 1
    assert worker.value("darkroom_out_of_memory_total") == 0
    used, total = (worker.value(f"darkroom_device_memory_{what}_bytes") for what in ("used", "total"))
    assert 0 < used < total
    assert 0 < worker.value("darkroom_worker_resident_bytes") < total
    assert more("darkroom_jobs_ended_total", status="succeeded", model="pocket") == 1
    assert more("darkroom_stored_bytes") == sum(image["size_bytes"] for image in job["images"])
    assert abs(more("darkroom_queue_wait_seconds_sum") - job["timings"]["queued_seconds"]) < 0.01
