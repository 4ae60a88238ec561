"""Storing a job's pictures where there is no room for them, and where the worker dies in the middle."""

import hashlib
import resource
import signal
import time
from pathlib import Path
from threading import Timer

import pytest
import redis
from PIL import Image

from contract import keys
from contract.image_file import encode_image
from contract.image_store import local_image_store
from contract.job import JobError, JobStatus, stored_images
from tests.conftest import end, wait_until
from tests.contract.test_scripts import Line
from tests.submissions import PARAMETERS
from tests.worker.conftest import Start, reach, submit
from worker.execution import Execution
from worker.image_writer import ImageWriter


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "images").rglob("*") if path.is_file()]


def size_of(seed: int, index: int = 0, images: int = 1) -> int:
    """Of the file that the stub's picture of such a job makes."""
    parameters = PARAMETERS.model_copy(update={"seed": seed, "num_images_per_prompt": images})
    return len(encode_image(Image.new("RGB", (64, 64), (seed + index, 0, 0)), parameters, index))


def error_of(line: Line, job_id: str) -> JobError:
    error = reach(line, job_id, JobStatus.FAILED).error
    assert error is not None
    return error


@pytest.mark.parametrize("fits", [0, 1])
def test_a_job_whose_pictures_find_no_room_leaves_none_and_the_next_one_succeeds(
    start: Start, line: Line, tmp_path: Path, fits: int
) -> None:
    worker = start()
    submit(line, "first")
    reach(line, "first", JobStatus.SUCCEEDED)
    before = files(tmp_path)
    first, second = size_of(9, 0, images=2), size_of(9, 1, images=2)
    assert first < second
    room = first if fits else first - 1
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    submit(line, "a", num_images_per_prompt=2, seed=9)
    assert error_of(line, "a").code == "storage_full"
    assert files(tmp_path) == before
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    submit(line, "b", num_images_per_prompt=2, seed=9)
    reach(line, "b", JobStatus.SUCCEEDED)
    assert len(files(tmp_path)) == len(before) + 2
    assert worker.poll() is None


def test_the_bytes_of_what_is_stored_are_counted(start: Start, line: Line, tmp_path: Path) -> None:
    start()
    for job_id in "ab":
        submit(line, job_id, num_images_per_prompt=3, seed=9)
    for job_id in "ab":
        reach(line, job_id, JobStatus.SUCCEEDED)
    assert int(line.client.get(keys.STORED_BYTES) or 0) == sum(path.stat().st_size for path in files(tmp_path))


def test_a_job_that_would_pass_the_limit_of_the_store_fails_and_asks_for_room(
    start: Start, line: Line, tmp_path: Path
) -> None:
    limit = 10 * size_of(9)
    start(STORE_LIMIT_BYTES=str(limit))
    line.client.set(keys.STORED_BYTES, limit - size_of(9) + 1)
    submit(line, "a", seed=9)
    assert error_of(line, "a").code == "storage_full"
    assert files(tmp_path) == []
    assert line.client.get(keys.ROOM_WANTED) == str(size_of(9))
    line.client.decr(keys.STORED_BYTES)
    submit(line, "b", seed=9)
    reach(line, "b", JobStatus.SUCCEEDED)


def test_a_job_waits_a_moment_for_the_room_that_is_being_made(start: Start, line: Line) -> None:
    start(STORE_LIMIT_BYTES="10000")
    line.client.set(keys.STORED_BYTES, 10_000)
    submit(line, "a")
    wait_until(lambda: line.client.exists(keys.ROOM_WANTED), 20)
    line.client.set(keys.STORED_BYTES, 0)
    reach(line, "a", JobStatus.SUCCEEDED)


def test_a_job_that_waits_for_room_can_be_canceled(start: Start, line: Line) -> None:
    start(STORE_LIMIT_BYTES="10000")
    line.client.set(keys.STORED_BYTES, 10_000)
    submit(line, "a")
    wait_until(lambda: line.client.exists(keys.ROOM_WANTED), 20)
    line.cancel("a")
    reach(line, "a", JobStatus.CANCELED)


def test_what_was_drawn_in_time_waits_for_room_past_its_deadline(client: redis.Redis, tmp_path: Path) -> None:
    client.set(keys.STORED_BYTES, 10_000)
    late = Execution("a", "e1", "anonymous", "", -1, "too late")
    making_room = Timer(0.3, client.set, (keys.STORED_BYTES, 0))
    making_room.start()
    writer = ImageWriter(client, local_image_store(tmp_path / "images"), 10_000, mark_ai=True)
    assert len(writer.write(late, PARAMETERS, [Image.new("RGB", (64, 64))])) == 1
    making_room.join()


def test_a_job_larger_than_the_limit_fails_at_once_and_drives_nothing_out(start: Start, line: Line) -> None:
    start(STORE_LIMIT_BYTES="10")
    submit(line, "a")
    assert error_of(line, "a").code == "storage_full"
    assert not line.client.exists(keys.ROOM_WANTED)


def test_a_worker_killed_between_the_pictures_and_the_finish_leaves_one_result(
    start: Start, line: Line, tmp_path: Path
) -> None:
    worker = start()
    submit(line, "first")
    reach(line, "first", JobStatus.SUCCEEDED)
    before = files(tmp_path)
    submit(line, "a", "steps 10")
    wait_until(lambda: line.fetch("a").status is JobStatus.RUNNING)
    line.client.client_pause(20_000, all=False)  # no finish; reading goes on
    try:
        wait_until(lambda: len(files(tmp_path)) == len(before) + 1)
        time.sleep(0.1)
        end(worker, signal.SIGKILL)
    finally:
        line.client.client_unpause()
    start()
    reach(line, "a", JobStatus.SUCCEEDED)
    assert len(files(tmp_path)) == len(before) + 2
    (image,) = stored_images.validate_json(line.client.hget("rq:job:a", "images") or "")
    content = (tmp_path / "images" / image.key).read_bytes()
    assert hashlib.sha256(content).hexdigest() == image.sha256
    assert int(line.client.hget("rq:job:first", "stored_bytes") or 0) + image.size_bytes == int(
        line.client.get(keys.STORED_BYTES) or 0
    )
