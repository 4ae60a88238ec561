"""Images without a job: which the sweep takes, which it leaves."""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import redis
import redis.asyncio

from contract import keys, scripts
from contract.image_store import local_image_store
from contract.job import StoredImage, stored_images
from service.housekeeping.orphans import MARK, Orphans
from tests.conftest import wait_until
from tests.contract.test_scripts import Line
from tests.service.conftest import start_service, stop_service


def submit(line: Line) -> str:
    job_id = uuid4().hex
    line.submit(job_id)
    return job_id


def image_names(*names: str) -> str:
    """As a worker's finish names them in the record."""
    images = [
        StoredImage(key=name, index=0, seed=1, width=8, height=8, content_type="image/png", size_bytes=1, sha256="")
        for name in names
    ]
    return stored_images.dump_json(images).decode()


class Folder:
    """An image store in every state that a crash can leave it in, before and after a sweep."""

    def __init__(self, client: redis.Redis, folder: Path) -> None:
        self._line = Line(client)
        self._store = local_image_store(folder)
        self.folder = folder
        self.of_no_job = self.put(uuid4().hex)
        self.with_another_name = self.put(uuid4().hex, "0.png")
        self.ended, self.of_a_former_execution = self.ended_job("finished")
        _, self.of_a_failed_job = self.ended_job("failed")
        self.running, self.of_an_execution_without_lease = self.running_job()
        self.of_a_queued_job = self.put(submit(self._line))
        self.staged = self.put_staged(60)
        self.young = self.put_staged(0)
        self.foreign = self.put("mine", "fox-0.png")
        self.empty = folder / uuid4().hex
        self.empty.mkdir()

    def put(self, job_id: str, name: str = "e0-0.png") -> str:
        self._store.put(f"{job_id}/{name}", b"x")
        return f"{job_id}/{name}"

    def ended_job(self, status: str) -> tuple[str, str]:
        """Its image and one that it does not name."""
        job_id = submit(self._line)
        self.claim(job_id, "e1")
        image, orphan = self.put(job_id, "e1-0.png"), self.put(job_id)
        fields = ["images", image_names(image)] if status == "finished" else []
        self._line.run(scripts.FINISH, f"{job_id}:e1", status, *fields)
        return image, orphan

    def running_job(self) -> tuple[str, str]:
        """The image of the execution that holds the lease, and that of one that lost it."""
        job_id = submit(self._line)
        self.claim(job_id, "e1")
        self._line.client.zadd(keys.LEASES, {f"{job_id}:e1": time.time() + 3600})
        return self.put(job_id, "e1-0.png"), self.put(job_id)

    def claim(self, job_id: str, execution_id: str) -> None:
        assert self._line.claim(execution_id) == job_id

    def put_staged(self, age_seconds: float) -> str:
        name = f"{uuid4().hex}/e0-0.png#1"
        (self.folder / name).parent.mkdir()
        (self.folder / name).write_bytes(b"half")
        os.utime(self.folder / name, (time.time() - age_seconds,) * 2)
        return name

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()


@pytest.fixture(scope="module")
def swept(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """After the first sweep of a service that has just started."""
    data_dir = tmp_path_factory.mktemp("orphans")
    url = f"unix://{valkey_socket}?db=3"
    with redis.Redis.from_url(url, decode_responses=True) as client:
        folder = Folder(client, data_dir / "images")
        service = start_service(url, data_dir)
        wait_until(lambda: not folder.has(folder.staged))  # the last thing that a sweep does
        yield folder
        stop_service(service)
        client.flushdb()


def test_an_image_of_a_job_that_is_gone_is_removed(swept: Folder) -> None:
    assert not swept.has(swept.of_no_job)
    assert not swept.has(swept.with_another_name)


def test_an_image_that_its_ended_job_does_not_name_is_removed(swept: Folder) -> None:
    assert swept.has(swept.ended)
    assert not swept.has(swept.of_a_former_execution)
    assert not swept.has(swept.of_a_failed_job)


def test_of_a_running_job_only_what_its_own_execution_put_is_kept(swept: Folder) -> None:
    assert swept.has(swept.running)
    assert not swept.has(swept.of_an_execution_without_lease)
    assert not swept.has(swept.of_a_queued_job)


def test_what_a_killed_put_left_is_removed_and_what_a_put_is_writing_is_not(swept: Folder) -> None:
    assert not swept.has(swept.staged)
    assert swept.has(swept.young)


def test_no_folder_is_left_without_an_image_and_none_of_anybody_else_is_touched(swept: Folder) -> None:
    assert swept.has(swept.foreign)
    wait_until(lambda: not swept.empty.exists())
    job_folders = [path for path in swept.folder.iterdir() if path.is_dir()]
    assert all(any(path.iterdir()) for path in job_folders)


def test_no_image_is_lost_to_a_sweep_while_workers_put_and_finish(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    store = local_image_store(tmp_path)
    until = time.monotonic() + 2

    def work(name: str) -> list[str]:
        line, done = Line(client), []
        while time.monotonic() < until:
            submit(line)
            execution_id = f"{name}{len(done)}"
            job_id = line.claim(execution_id)
            key = f"{job_id}/{execution_id}-0.png"
            store.put(key, b"x")
            assert line.run(scripts.FINISH, f"{job_id}:{execution_id}", "finished", "images", image_names(key)) == 1
            done.append(key)
        return done

    async def sweep() -> None:
        async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
            orphans = Orphans(client, store, tmp_path)
            while time.monotonic() < until:
                await orphans.remove()

    with ThreadPoolExecutor() as pool:
        workers = [pool.submit(work, name) for name in "ab"]
        asyncio.run(sweep())
        done = [key for worker in workers for key in worker.result()]
    assert len(done) > 100
    assert [key for key in done if not (tmp_path / key).exists()] == []


def test_a_sweep_asks_for_the_lease_before_the_job(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """The other way round, a finish between the two questions would cost the job its image."""
    key = f"{submit(Line(client))}/e-0.png"
    local_image_store(tmp_path).put(key, b"x")

    async def sweep() -> None:
        async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
            await Orphans(client, local_image_store(tmp_path), tmp_path).remove()

    with client.monitor() as monitor:
        asyncio.run(sweep())
        asked: list[str] = []
        while len(asked) < 2:
            command = str(monitor.next_command()["command"])
            if command.startswith((f"ZSCORE {keys.LEASES}", f"HGET {keys.JOB_PREFIX}")):
                asked.append(command.partition(" ")[0])
    assert asked == ["ZSCORE", "HGET"]


def test_a_store_that_belongs_to_another_redis_is_left_alone(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    store, key = local_image_store(tmp_path), f"{uuid4().hex}/e-0.png"
    store.put(key, b"x")
    store.put(MARK, b"another")

    async def sweep() -> None:
        async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
            await Orphans(client, store, tmp_path).remove()

    asyncio.run(sweep())
    assert (tmp_path / key).exists()
    # As does one that had lost its data, until somebody says that it is the right one.
    (tmp_path / MARK).unlink()
    asyncio.run(sweep())
    assert not (tmp_path / key).exists()
    assert (tmp_path / MARK).read_text() == client.get(keys.STORE_MARK)
