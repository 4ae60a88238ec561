"""The real worker process around a stub pipeline: every way a job can end, and every way a worker can."""

import hashlib
import signal
import time
from pathlib import Path

import redis

from contract import scripts
from contract.job import JobStatus, stored_images
from contract.model_catalog import read_model_catalog
from contract.worker_state import WorkerState
from darkroom import valkey
from tests.conftest import ROOT, end, start_valkey, wait_until
from tests.contract.test_scripts import Line
from tests.worker.conftest import Start, reach, running, submit
from worker.execution import DEVICE_LOST_EXIT_CODE


def test_a_job_ends_with_its_pictures_stored(start: Start, line: Line, tmp_path: Path) -> None:
    submit(line, "a", num_images_per_prompt=3, seed=40)
    start()
    job = reach(line, "a", JobStatus.SUCCEEDED)
    assert job.attempts == 1
    assert [(image.index, image.seed) for image in job.images] == [(0, 40), (1, 41), (2, 42)]
    stored = stored_images.validate_json(line.client.hget("rq:job:a", "images") or "")
    for image in stored:
        content = (tmp_path / "images" / image.key).read_bytes()
        assert hashlib.sha256(content).hexdigest() == image.sha256
        assert len(content) == image.size_bytes
    assert job.timings.store_seconds is not None
    assert line.leftovers() == set()


def test_a_picture_that_is_withheld_is_not_stored_and_the_others_keep_their_places(
    start: Start, line: Line, tmp_path: Path
) -> None:
    submit(line, "a", "filtered 0 2", num_images_per_prompt=4, seed=40)
    start()
    job = reach(line, "a", JobStatus.SUCCEEDED)
    assert [(image.index, image.seed, image.url) for image in job.images] == [
        (1, 41, "/images/a/1.png"),
        (3, 43, "/images/a/3.png"),
    ]
    assert [(warning.code, warning.detail) for warning in job.warnings] == [
        ("image_filtered", "Image 0 was withheld by the image filter."),
        ("image_filtered", "Image 2 was withheld by the image filter."),
    ]
    stored = stored_images.validate_json(line.client.hget("rq:job:a", "images") or "")
    files = [path for path in (tmp_path / "images").rglob("*.*") if path.is_file()]
    assert sorted(files) == sorted(tmp_path / "images" / image.key for image in stored)
    assert int(line.client.get("darkroom:stored_bytes") or 0) == sum(image.size_bytes for image in stored)


def test_a_job_all_of_whose_pictures_are_withheld_fails_and_stores_none(
    start: Start, line: Line, tmp_path: Path
) -> None:
    submit(line, "a", "filtered", num_images_per_prompt=2)
    start()
    job = reach(line, "a", JobStatus.FAILED)
    assert job.error is not None
    assert (job.error.code, job.error.detail) == ("image_filtered", "The image filter withheld every picture.")
    assert job.images == []
    assert not [path for path in (tmp_path / "images").rglob("*.*") if path.is_file()]
    submit(line, "b")
    assert len(reach(line, "b", JobStatus.SUCCEEDED).images) == 1


def test_a_worker_killed_mid_job_loses_nothing(start: Start, line: Line) -> None:
    submit(line, "a", "steps 40")
    submit(line, "b")
    first = start()
    running(line, "a")
    end(first, signal.SIGKILL)
    assert line.fetch("a").status is JobStatus.RUNNING
    start()
    job = reach(line, "a", JobStatus.SUCCEEDED)
    assert job.attempts == 2
    assert len(job.images) == 1
    assert reach(line, "b", JobStatus.SUCCEEDED).attempts == 1
    assert line.leftovers() == set()


def test_a_job_that_kills_its_worker_three_times_fails_and_its_neighbours_do_not(start: Start, line: Line) -> None:
    submit(line, "poison", "die")
    submit(line, "good")
    for _ in range(3):
        assert start().wait(30) == -signal.SIGKILL
    start()
    assert reach(line, "good", JobStatus.SUCCEEDED).attempts == 1
    job = line.fetch("poison")
    assert (job.status, job.attempts) == (JobStatus.FAILED, 3)
    assert job.error is not None
    assert job.error.code == "worker_crashed"


def test_a_lost_device_ends_the_process_and_the_job_is_tried_by_the_next(start: Start, line: Line) -> None:
    submit(line, "a", "lost")
    submit(line, "good")
    for attempt in (1, 2, 3):
        assert start().wait(30) == DEVICE_LOST_EXIT_CODE == 71
        job = line.fetch("a")
        assert (job.status, job.attempts) == (JobStatus.RUNNING, attempt)
    start()
    assert reach(line, "good", JobStatus.SUCCEEDED).attempts == 1
    job = line.fetch("a")
    assert (job.status, job.attempts) == (JobStatus.FAILED, 3)
    assert job.error is not None
    assert job.error.code == "worker_crashed"
    assert line.leftovers() == set()


def test_a_worker_tells_how_every_model_stands(start: Start, line: Line) -> None:
    start()
    offered = set(read_model_catalog(ROOT / "models.toml").models)
    wait_until(lambda: set(told(line).models) == offered, 20)
    assert told(line).state == "ready"
    assert {(each.state, each.can_run) for each in told(line).models.values()} == {("warm", True)}


def test_a_worker_tells_after_every_job_how_the_models_stand_now(start: Start, line: Line) -> None:
    start()
    submit(line, "a", "cool")
    reach(line, "a", JobStatus.SUCCEEDED)
    wait_until(lambda: {each.state for each in told(line).models.values()} == {"cold"})


def told(line: Line) -> WorkerState:
    """What the worker says of itself."""
    text = line.client.hget("darkroom:workers", "w") or '0 {"state": "loading", "pid": 0}'
    return WorkerState.model_validate_json(text.partition(" ")[2])


def test_a_frozen_worker_loses_its_job_and_its_late_result(start: Start, line: Line) -> None:
    submit(line, "a", "steps 20")
    frozen = start("frozen")
    running(line, "a")
    frozen.send_signal(signal.SIGSTOP)
    line.expire_leases()
    line.run(scripts.REAP, "expired")
    start("other")
    job = reach(line, "a", JobStatus.SUCCEEDED)
    assert job.attempts == 2
    images = line.client.hget("rq:job:a", "images")
    frozen.send_signal(signal.SIGCONT)
    submit(line, "b")
    reach(line, "b", JobStatus.SUCCEEDED)
    time.sleep(1.5)
    assert line.client.hget("rq:job:a", "images") == images
    assert line.fetch("a") == job


def test_a_running_job_is_canceled_at_its_next_step(start: Start, line: Line) -> None:
    submit(line, "a", "steps 400")
    start()
    running(line, "a")
    assert line.client.hget("rq:worker:w", "state") == "busy"
    line.cancel("a")
    job = reach(line, "a", JobStatus.CANCELED, 5)
    assert job.images == []
    assert line.client.hget("rq:worker:w", "state") == "idle"


def test_a_job_past_its_deadline_fails(start: Start, line: Line) -> None:
    submit(line, "a", "steps 400", timeout=1)
    start()
    job = reach(line, "a", JobStatus.FAILED, 10)
    assert job.error is not None
    assert job.error.code == "deadline_exceeded"


def test_an_idle_worker_stops_on_a_signal(start: Start, line: Line) -> None:
    worker = start()
    submit(line, "a")
    reach(line, "a", JobStatus.SUCCEEDED)
    assert end(worker, signal.SIGTERM) == 0
    assert not line.client.smembers("rq:workers")


def test_a_busy_worker_finishes_its_job_first(start: Start, line: Line) -> None:
    submit(line, "a", "steps 20")
    submit(line, "b")
    worker = start()
    running(line, "a")
    assert end(worker, signal.SIGTERM) == 0
    assert line.fetch("a").status is JobStatus.SUCCEEDED
    assert line.fetch("b").status is JobStatus.QUEUED


def test_a_busy_worker_puts_its_job_back_when_its_grace_is_over(start: Start, line: Line) -> None:
    submit(line, "a", "steps 400")
    submit(line, "b")
    worker = start(SHUTDOWN_GRACE_SECONDS="0.2")
    running(line, "a")
    assert end(worker, signal.SIGTERM) == 0
    assert [(line.fetch(name).status, line.fetch(name).queue_position) for name in "ab"] == [
        (JobStatus.QUEUED, 1),
        (JobStatus.QUEUED, 2),
    ]
    assert not line.client.hexists("rq:job:a", "crashes")


def test_a_record_that_the_service_did_not_write_is_never_run(start: Start, line: Line, tmp_path: Path) -> None:
    submit(line, "forged")
    line.client.hset("rq:job:forged", "data", f'["os.system",null,["touch {tmp_path}/owned"],{{}}]')
    submit(line, "bent")
    line.client.hset("rq:job:bent", "parameters", '{"prompt": 1}')
    start()
    wait_until(lambda: all(line.client.hget(f"rq:job:{name}", "error_code") for name in ("forged", "bent")))
    assert {line.client.hget(f"rq:job:{name}", "error_code") for name in ("forged", "bent")} == {"invalid_job"}
    assert not (tmp_path / "owned").exists()


def test_a_store_that_takes_nothing_fails_the_job_and_not_the_worker(start: Start, line: Line, tmp_path: Path) -> None:
    start()
    submit(line, "a", "steps 10")
    running(line, "a")
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    (tmp_path / "images").rmdir()
    (tmp_path / "images").write_text("in the way")
    job = reach(line, "a", JobStatus.FAILED)
    assert job.error is not None
    assert job.error.code == "storage_unavailable"
    (tmp_path / "images").unlink()
    submit(line, "b")
    reach(line, "b", JobStatus.SUCCEEDED)


def test_two_workers_cannot_share_a_name(start: Start, line: Line) -> None:
    start("twin")
    submit(line, "a")
    reach(line, "a", JobStatus.SUCCEEDED)
    assert start("twin").wait(30) == 1


def test_two_workers_share_the_line_and_run_each_job_once(start: Start, line: Line) -> None:
    start("one")
    start("two")
    wait_until(lambda: str(line.client.hvals("darkroom:workers")).count('"ready"') == 2, 30)
    for number in range(40):
        submit(line, f"job{number}", "steps 1")
    jobs = [reach(line, f"job{number}", JobStatus.SUCCEEDED) for number in range(40)]
    assert {job.attempts for job in jobs} == {1}
    assert {line.client.hget(f"rq:job:{job.id}", "worker_name") for job in jobs} == {"one", "two"}


def test_a_worker_outlives_an_outage_of_redis_in_the_middle_of_a_job(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    path = valkey.socket_path(folder)

    server = start_valkey(folder)
    with redis.Redis.from_url(f"unix://{path}", decode_responses=True) as client:
        line = Line(client)
        submit(line, "a", "steps 40")
        start(REDIS_URL=f"unix://{path}")
        running(line, "a")
        end(server, signal.SIGKILL)
        time.sleep(3)
        server = start_valkey(folder)
        job = reach(line, "a", JobStatus.SUCCEEDED)
        assert job.attempts == 1
    end(server)
