"""Both clients, verb by verb, with the real service and a worker that obeys its prompts."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from darkroom import Axis, Darkroom
from darkroom.client import Ended, Preview, Progressed, Queued, Running, errors
from tests.darkroom.conftest import MakeClient
from tests.service.conftest import Service


def colour(content: bytes) -> Any:
    """Of a plain picture: the stub worker's have their seed in red."""
    with Image.open(BytesIO(content)) as picture:
        return picture.convert("RGB").getpixel((0, 0))


def test_pictures_are_asked_for_and_there(either: Any, tmp_path: Path) -> None:
    drawn = either.generate("a fox", seed=7, num_images_per_prompt=2, width=64, height=72)
    assert [image.seed for image in drawn] == [7, 8]
    assert [colour(image.content) for image in drawn] == [(7, 0, 0), (8, 0, 0)]
    assert [len(image.content) for image in drawn] == [image.record.size_bytes for image in drawn]
    path = drawn[0].save(tmp_path / "fox.png")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 72))
    assert either.inspect(path).parameters["seed"] == either.inspect(drawn[1].content).parameters["seed"] == 7
    assert either.inspect(drawn[1].content).index == 1


def test_a_job_goes_from_its_submit_to_its_pictures_by_single_verbs(either: Any) -> None:
    job = either.submit("a fox", seed=3, output_format="webp")
    ended = either.wait(job.id)
    assert ended.status == "succeeded"
    assert either.job(job) == either.wait(ended) == ended
    images = either.images(job.id)
    assert images == either.images(ended)
    assert (images[0].record, images[0].record.content_type) == (ended.images[0], "image/webp")
    small = either.image(ended.images[0], output_format="png", width=64)
    with Image.open(BytesIO(small)) as picture:
        assert (picture.format, picture.width) == ("PNG", 64)
    either.delete(job)
    with pytest.raises(errors.JobNotFound):
        either.job(job)


def test_every_option_arrives(either: Any) -> None:
    options: dict[str, Any] = {
        "num_inference_steps": 3,
        "guidance_scale": 2.5,
        "scheduler": "Euler a",
        "clip_skip": 0,
        "embed_parameters": False,
        "model": "pocket",
        "negative_prompt": "a dog",
        "prompt_weighting": False,
        "style": either.styles()[0].name,
        "labels": {"course": "noise"},
        "exclusive": True,
        "deadline_seconds": 77,
        "webhook": {"url": "https://hooks.example.com/darkroom", "events": ["job.failed"]},
    }
    job = either.submit("a fox", **options)
    parameters = dict(job.parameters)
    for name in ("num_inference_steps", "guidance_scale", "scheduler", "clip_skip", "embed_parameters", "model"):
        assert parameters[name] == options[name]
    assert (job.style.name, job.style.prompt, job.style.negative_prompt) == (options["style"], "a fox", "a dog")
    assert (job.labels, job.exclusive) == (options["labels"], True)
    assert (job.deadline_at - job.created_at).total_seconds() == pytest.approx(77, abs=1)
    assert (job.webhook.url, job.webhook.events) == ("https://hooks.example.com/darkroom", ["job.failed"])


def test_parameters_asked_for_again_give_the_same_picture(either: Any) -> None:
    first = either.wait(either.submit("a fox"))
    again = either.wait(either.submit(**dict(first.parameters)))
    assert again.images[0].sha256 == first.images[0].sha256


def test_an_idempotency_key_of_ones_own_makes_one_job(either: Any) -> None:
    key = uuid4().hex
    job = either.submit("a fox", idempotency_key=key)
    assert either.submit("a fox", idempotency_key=key).id == job.id
    assert either.generate("a fox", idempotency_key=key)[0].record.url.startswith(f"/images/{job.id}/")
    with pytest.raises(errors.IdempotencyKeyReused):
        either.submit("a dog", idempotency_key=key)
    assert either.submit("a fox").id != job.id


def test_what_happens_to_a_job_is_told_until_its_end(either: Any) -> None:
    told = list(
        either.stream(either.submit("steps 12", negative_prompt="\x85\u2028 are no ends of a line of a stream"))
    )
    kinds = [type(event) for event in told]
    assert kinds[:2] == [Queued, Running]
    assert set(kinds[2:-1]) == {Progressed}
    assert (told[1].attempts, told[-2].total) == (1, 12)
    assert [event.type for event in told[:2]] == ["queued", "running"]
    assert isinstance(told[-1], Ended)
    assert told[-1].job == either.job(told[-1].job)
    assert [type(event) for event in either.stream(told[-1].job.id)] == kinds  # of a job that has ended, too


def test_previews_are_shown_to_those_who_ask(either: Any) -> None:
    told = list(either.stream(either.submit("steps 20").id, preview=True))
    previews = [event for event in told if isinstance(event, Preview)]
    assert previews
    with Image.open(BytesIO(previews[-1].content)) as picture:
        assert picture.format == "JPEG"
    assert 0 < previews[-1].step <= previews[-1].total == 20


def test_a_wait_can_be_longer_than_one_request_of_it(make_client: MakeClient, drawing_service: Service) -> None:
    either = make_client(drawing_service.url, poll_seconds=0.2)
    assert either.wait(either.submit("steps 25")).status == "succeeded"


def test_a_wait_that_is_over_leaves_the_job_alone(either: Any) -> None:
    with pytest.raises(errors.WaitTimeout) as caught:
        either.generate("steps 100", wait_seconds=0.3)
    job = caught.value.job
    assert not either.job(job).ended
    with pytest.raises(errors.WaitTimeout):
        either.images(job)
    with pytest.raises(errors.JobNotEnded):
        either.delete(job)
    either.cancel(job)
    assert either.wait(job).status == either.cancel(job).status == "canceled"
    with pytest.raises(errors.JobCanceled):
        either.images(job)


def test_a_job_that_fails_raises_its_code(either: Any) -> None:
    for prompt, kind in (("fail", errors.GenerationFailed), ("filtered", errors.ImageFiltered)):
        with pytest.raises(kind) as caught:
            either.generate(prompt)
        assert either.wait(caught.value.job) == either.job(caught.value.job)
        assert caught.value.job.error.detail == caught.value.detail


def test_what_the_service_refuses_is_raised_with_the_field(either: Any) -> None:
    with pytest.raises(errors.ValidationFailed) as caught:
        either.submit("a fox", width=65)
    assert [each.pointer for each in caught.value.errors] == ["/width"]
    assert caught.value.request_id
    with pytest.raises(errors.NotAnImage):
        either.inspect(b"no picture")
    with pytest.raises(errors.NotFound):
        either.job("")


def test_jobs_are_listed_page_by_page_and_by_filter(either: Any) -> None:
    mine = {"list": uuid4().hex}
    x = Axis(parameter="seed", values=list(range(52)))
    made = [cell.job_id for cell in either.grid({"prompt": "a fox", "labels": mine}, x=x).cells]
    failed = either.wait(either.submit("fail", labels=mine))
    either.wait(made[-1])
    assert [job.id for job in either.jobs(labels=mine)] == [failed.id, *reversed(made)]
    assert [job.id for job in either.jobs(labels=mine, limit=51)] == [failed.id, *reversed(made[-50:])]
    assert [job.id for job in either.jobs(labels=mine, status="failed")] == [failed.id]
    assert len(list(either.jobs(labels=mine, status=["succeeded", "failed"], model="pocket"))) == 53
    assert list(either.jobs(labels=mine, model="another")) == []


def test_a_grid_is_asked_for_and_waited_for(either: Any) -> None:
    x, y = Axis(parameter="seed", values=[1, 2, 3]), Axis(parameter="guidance_scale", values=[1, 4.5])
    grid = either.wait_grid(either.grid({"prompt": "a fox", "width": 64, "height": 64}, x=x, y=y).id)
    assert (grid.status, grid.counts.succeeded, grid.x, grid.y) == ("ended", 6, x, y)
    assert [(cell.x, cell.y) for cell in grid.cells] == [(s, g) for g in (1, 4.5) for s in (1, 2, 3)]
    assert colour(either.image(grid.cells[2].image)) == (3, 0, 0)
    for output_format in ("png", "webp"):
        with Image.open(BytesIO(either.grid_sheet(grid, output_format=output_format))) as sheet:
            assert sheet.format == output_format.upper()


def test_a_grid_can_be_given_up(either: Any) -> None:
    key = uuid4().hex
    grid = either.grid({}, x=Axis(parameter="prompt", values=["steps 100", "steps 99"]), idempotency_key=key)
    with pytest.raises(errors.GridWaitTimeout) as caught:
        either.wait_grid(grid, 0.2)
    assert caught.value.grid.id == grid.id
    either.cancel_grid(grid)
    assert either.wait_grid(grid).counts.canceled == 2
    assert either.grid_status(grid).ended
    with pytest.raises(errors.GridNotFound):
        either.grid_status("0" * 32)


def test_what_is_on_offer_and_how_it_stands(either: Any) -> None:
    model = either.models()[0]
    assert (model.id, model.default, model.state) == ("pocket", True, "warm")
    assert {"Euler a", "LCM"} <= {scheduler.name for scheduler in either.schedulers()}
    assert all("{prompt}" in style.prompt for style in either.styles())
    report = either.readiness()
    assert (report["status"], report["workers"][0]["state"]) == ("ready", "ready")


def test_threads_may_share_a_client(drawing_service: Service) -> None:
    with Darkroom(drawing_service.url) as client, ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda seed: client.generate("a fox", seed=seed)[0], range(16)))
    assert [colour(image.content)[0] for image in drawn] == list(range(16))
