"""The real worker process around a stub pipeline that draws batches: each job of one ends by itself."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contract import keys, scripts
from contract.job import JobStatus, stored_images
from contract.rung import Rung
from tests.collector import Collector
from tests.conftest import end, start_stub, wait_until
from tests.contract.test_scripts import Line
from tests.worker.conftest import Previews, Start, reach, running, submit
from tests.worker.test_image_writer import error_of

FOUR = {"MAX_BATCH": "4"}
NAMES = "abcd"


def submit_all(line: Line, *prompts: str, **changes: Any) -> None:
    """Jobs named a, b, c, …"""
    for name, prompt, seed in zip(NAMES, prompts, range(10, 50, 10), strict=False):
        submit(line, name, prompt, seed=seed, **changes)


def batch_size(line: Line, job_id: str) -> int:
    """Of the pipeline call that drew it."""
    return int(line.client.hget(f"rq:job:{job_id}", "batch_size") or 0)


def colours(line: Line, folder: Path, job_id: str) -> list[int]:
    """Of its stored pictures, which the stub makes of their seeds."""
    stored = stored_images.validate_json(line.client.hget(f"rq:job:{job_id}", "images") or "")
    pixels = [Image.open(folder / "images" / image.key).getpixel((0, 0)) for image in stored]
    return [pixel[0] for pixel in pixels if isinstance(pixel, tuple)]


def test_the_jobs_of_a_batch_end_each_with_its_own_pictures(start: Start, line: Line, tmp_path: Path) -> None:
    submit_all(line, "a fox", "steps 3")
    submit(line, "c", "an owl", num_images_per_prompt=2, seed=30)
    submit(line, "d", "a dog", seed=40)
    start(**FOUR)
    for name, seeds in (("a", [10]), ("b", [20]), ("c", [30, 31])):
        job = reach(line, name, JobStatus.SUCCEEDED)
        assert [image.seed for image in job.images] == colours(line, tmp_path, name) == seeds
        assert (job.attempts, job.rung, batch_size(line, name)) == (1, Rung.ON_DEVICE, 4)
    reach(line, "d", JobStatus.SUCCEEDED)
    assert batch_size(line, "d") == 1
    assert line.client.hget("rq:worker:w", "state") == "idle"
    assert line.leftovers() == set()


def test_a_canceled_job_leaves_its_batch_at_once_and_the_others_go_on(start: Start, line: Line) -> None:
    submit_all(line, "steps 40", "steps 40", "steps 40")
    start(**FOUR)
    running(line, "a")
    line.cancel("b")
    assert reach(line, "b", JobStatus.CANCELED).images == []
    assert line.client.hget("rq:worker:w", "state") == "busy"
    assert [line.fetch(name).status for name in "ac"] == [JobStatus.RUNNING, JobStatus.RUNNING]
    for name in "ac":
        job = reach(line, name, JobStatus.SUCCEEDED)
        assert (job.attempts, batch_size(line, name)) == (1, 3)
    assert line.leftovers() == set()


def test_a_job_past_its_deadline_leaves_its_batch_and_the_others_go_on(start: Start, line: Line) -> None:
    submit(line, "a", "steps 60")
    submit(line, "b", "steps 60", timeout=1)
    start(**FOUR)
    assert error_of(line, "b").code == "deadline_exceeded"
    assert line.fetch("a").status is JobStatus.RUNNING
    assert reach(line, "a", JobStatus.SUCCEEDED).attempts == 1


def test_a_worker_killed_in_a_batch_loses_none_of_its_jobs(start: Start, line: Line) -> None:
    submit_all(line, *["steps 20"] * 4)
    first = start(**FOUR)
    running(line, "d")
    end(first, signal.SIGKILL)
    start(**FOUR)
    assert [reach(line, name, JobStatus.SUCCEEDED).attempts for name in NAMES] == [2, 2, 2, 2]
    assert line.leftovers() == set()


def test_the_neighbours_of_a_job_that_kills_its_worker_succeed(start: Start, line: Line) -> None:
    submit_all(line, "a fox", "die", "a fox")
    for _ in range(3):
        assert start(**FOUR).wait(30) == -signal.SIGKILL
    start(**FOUR)
    for name in "ac":
        reach(line, name, JobStatus.SUCCEEDED)
        assert batch_size(line, name) == 1
    assert error_of(line, "b").code == "worker_crashed"
    assert line.fetch("b").attempts == 3
    assert line.leftovers() == set()


def test_a_lost_device_costs_no_job_of_the_batch_its_pictures(start: Start, line: Line) -> None:
    submit_all(line, "a fox", "lost", "steps 2")
    assert start(**FOUR).wait(30) == 71
    assert [line.fetch(name).status for name in "abc"] == [
        JobStatus.SUCCEEDED,
        JobStatus.RUNNING,
        JobStatus.RUNNING,
    ]


def test_the_late_results_of_a_frozen_worker_s_batch_are_dropped(start: Start, line: Line) -> None:
    submit_all(line, "steps 20", "steps 20")
    frozen = start("frozen", **FOUR)
    running(line, "b")
    frozen.send_signal(signal.SIGSTOP)
    line.expire_leases()
    line.run(scripts.REAP, "expired")
    start("other", **FOUR)
    jobs = [reach(line, name, JobStatus.SUCCEEDED) for name in "ab"]
    images = [line.client.hget(f"rq:job:{name}", "images") for name in "ab"]
    assert [job.attempts for job in jobs] == [2, 2]
    frozen.send_signal(signal.SIGCONT)
    assert end(frozen) == 0
    assert [line.client.hget(f"rq:job:{name}", "images") for name in "ab"] == images
    assert [line.fetch(name) for name in "ab"] == jobs


def test_a_second_signal_puts_the_whole_batch_back_in_its_order(start: Start, line: Line) -> None:
    submit_all(line, *["steps 400"] * 3)
    worker = start(**FOUR)
    running(line, "c")
    worker.send_signal(signal.SIGTERM)
    running(line, "c", step=(line.fetch("c").progress.step + 5))  # type: ignore[union-attr]
    assert end(worker) == 0
    for position, name in enumerate("abc", start=1):
        job = line.fetch(name)
        assert (job.status, job.queue_position) == (JobStatus.QUEUED, position)
        assert not line.client.hexists(f"rq:job:{name}", "crashes")
    assert line.leftovers() == {keys.QUEUE, keys.WAITING}


def test_a_forged_job_in_a_batch_fails_alone(start: Start, line: Line, tmp_path: Path) -> None:
    submit_all(line, "a fox", "a fox", "a fox")
    line.client.hset("rq:job:b", "data", f'["os.system",null,["touch {tmp_path}/owned"],{{}}]')
    start(**FOUR)
    assert [reach(line, name, JobStatus.SUCCEEDED).attempts for name in "ac"] == [1, 1]
    assert [batch_size(line, name) for name in "ac"] == [2, 2]
    assert line.client.hget("rq:job:b", "error_code") == "invalid_job"
    assert not (tmp_path / "owned").exists()


def test_a_job_whose_pictures_cannot_be_stored_fails_alone(start: Start, line: Line, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b").write_text("in the way")
    submit_all(line, "a fox", "a fox", "a fox")
    start(**FOUR)
    assert error_of(line, "b").code == "storage_unavailable"
    assert [reach(line, name, JobStatus.SUCCEEDED).attempts for name in "ac"] == [1, 1]


def test_each_job_of_a_batch_has_previews_of_its_own(start: Start, line: Line, previews: Previews) -> None:
    submit_all(line, "steps 30", "steps 30", "steps 30")
    for name in "ac":
        line.client.set(f"darkroom:preview:{name}", 1)
    start(**FOUR)
    # No more than eight of a job are published in a row.
    assert {message.partition(" ")[0] for message in previews(9)} == {"a", "c"}


def start_without_room(start: Start, line: Line, **environment: str) -> subprocess.Popen[bytes]:
    """A worker that has drawn job `a`, and waits up to three seconds for room to store it."""
    line.client.set(keys.STORED_BYTES, 10_000)
    worker = start(STORE_LIMIT_BYTES="10000", **environment)
    wait_until(lambda: line.client.exists(keys.ROOM_WANTED), 20)
    return worker


def test_a_batch_is_drawn_while_the_one_before_it_is_stored_but_no_further_one(start: Start, line: Line) -> None:
    submit_all(line, "a fox", "steps 2", "a fox")
    start_without_room(start, line)
    running(line, "b", step=2)
    time.sleep(0.3)
    assert [line.fetch(name).status for name in "abc"] == [JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.QUEUED]
    line.client.set(keys.STORED_BYTES, 0)
    ended = [reach(line, name, JobStatus.SUCCEEDED).completed_at for name in "abc"]
    assert ended == sorted(ended, key=str)


def test_a_job_that_waits_to_be_stored_can_be_canceled(start: Start, line: Line) -> None:
    submit_all(line, "a fox", "steps 2")
    start_without_room(start, line)
    running(line, "b", step=2)
    line.cancel("b")
    time.sleep(0.5)  # more than a beat, by which the worker learns it
    line.client.set(keys.STORED_BYTES, 0)
    assert reach(line, "b", JobStatus.CANCELED).images == []
    reach(line, "a", JobStatus.SUCCEEDED)
    assert line.leftovers() == set()


def test_a_worker_that_is_to_stop_stores_first_what_it_has_drawn(start: Start, line: Line) -> None:
    submit_all(line, "a fox", "a fox", "a fox")
    worker = start_without_room(start, line, MAX_BATCH="2")
    worker.send_signal(signal.SIGTERM)
    line.client.set(keys.STORED_BYTES, 0)
    assert worker.wait(30) == 0
    assert [line.fetch(name).status for name in "ab"] == [JobStatus.SUCCEEDED, JobStatus.SUCCEEDED]
    assert not line.client.smembers("rq:workers")
    assert line.leftovers() <= {keys.QUEUE}


@pytest.mark.parametrize("prompt", ["unstorable", "a fox"])
def test_an_error_while_a_job_is_ended_ends_the_worker(start: Start, line: Line, prompt: str) -> None:
    submit_all(line, prompt, "steps 400")
    if prompt == "a fox":
        line.client.lpush(keys.STORED_BYTES, "no number")  # which Redis refuses to add to
    assert start().wait(15) == 1  # if need be from within the second job


def test_each_job_of_a_batch_has_its_span_and_its_lines(line: Line, redis_url: str, tmp_path: Path) -> None:
    for name, prompt in (("a", "a fox"), ("b", "fail"), ("c", "a fox")):
        submit(line, name, prompt)
    with Collector() as collector, (tmp_path / "log").open("w+b") as output:
        environment = collector.environment | {"DARKROOM_MAX_BATCH": "3", "DARKROOM_LOG_FORMAT": "json"}
        worker = start_stub(redis_url, tmp_path, output=output, **environment)
        for name in "ac":
            reach(line, name, JobStatus.SUCCEEDED)
        assert end(worker) == 0
        lines = [json.loads(text) for text in (tmp_path / "log").read_text().splitlines()]
    jobs = {span.attributes["darkroom.job.id"]: span for span in collector.named("job")}
    assert {name: span.links for name, span in jobs.items()} == {"a": [], "b": [jobs["a"].id], "c": [jobs["a"].id]}
    assert {span.attributes["darkroom.batch.jobs"] for span in jobs.values()} == {3}
    assert [span.parent for span in collector.named("store")] == [jobs["a"].id, jobs["c"].id]
    ended = {each["event"]: each["job_id"] for each in lines if each["event"] in ("job_failed", "job_succeeded")}
    assert ended == {"job_failed": "b", "job_succeeded": "c"}
    (shared,) = [each for each in lines if each["event"] == "pipeline_failed"]
    assert "job_id" not in shared
    claimed = [each for each in lines if each["event"] == "job_claimed"]
    assert [each["job_id"] for each in claimed] == ["a", "b", "c"]
    assert {each["batch"] for each in claimed} == {shared["batch"]}
