"""GET /metrics of a worker: the real process around a stub pipeline."""

import os
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from contract.job import JobStatus, Timings
from contract.rung import Rung
from contract.worker_state import ModelState
from tests.conftest import free_port
from tests.contract.test_scripts import Line
from tests.exposition import Exposition, read, scrape_port
from tests.worker.conftest import Start, reach, running, submit
from worker.memory_report import DeviceMemory
from worker.metrics import WorkerMetrics


@pytest.fixture
def port() -> int:
    return free_port()


def test_a_worker_tells_of_the_jobs_that_it_drew_and_of_its_memory(start: Start, line: Line, port: int) -> None:
    start(METRICS_PORT=str(port))
    for name, prompt in (("a", "steps 2"), ("b", "starve")):
        submit(line, name, prompt, num_images_per_prompt=2)
        reach(line, name, JobStatus.SUCCEEDED)
    submit(line, "c", "steps 100")
    running(line, "c")
    line.cancel("c")
    reach(line, "c", JobStatus.CANCELED)
    exposition = scrape_port(port)
    for what in ("load", "denoise", "decode", "store"):
        assert exposition.value(f"darkroom_{what}_seconds_count", model="pocket") == 2
    assert exposition.value("darkroom_batch_images_bucket", model="pocket", le="2.0") == 2
    assert exposition.value("darkroom_batch_images_bucket", model="pocket", le="1.0") == 0
    assert exposition.value("darkroom_out_of_memory_total", model="pocket", rung="on_device") == 1
    assert exposition.value("darkroom_model_rung", model="pocket", rung="on_device") == 1
    memory = [
        exposition.value(f"darkroom_device_memory_{what}_bytes") for what in ("used", "allocated", "limit", "total")
    ]
    assert memory == [3, 1, 4, 8]
    assert exposition.value("darkroom_worker_resident_bytes") > 1 << 20
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert len(list(text_string_to_metric_families(answer.text))) == len(exposition.metrics)


@pytest.fixture
def stranger(port: int) -> Iterator[socket.socket]:
    """Somebody else, who has the port."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener


def test_a_port_that_is_taken_keeps_no_worker_from_its_jobs(
    start: Start, line: Line, port: int, stranger: socket.socket
) -> None:
    start(METRICS_PORT=str(port))
    submit(line, "a")
    reach(line, "a", JobStatus.SUCCEEDED)
    stranger.close()
    assert scrape_port(port).value("darkroom_store_seconds_count") == 1


def test_a_successor_takes_the_port_over(start: Start, line: Line, port: int) -> None:
    first = start(METRICS_PORT=str(port))
    submit(line, "a", "steps 40")
    running(line, "a")
    assert scrape_port(port).value("darkroom_store_seconds_count") == 0
    second = start(METRICS_PORT=str(port), PREDECESSOR_PID=str(first.pid))
    assert first.wait(30) == 0
    submit(line, "b")
    reach(line, "b", JobStatus.SUCCEEDED)
    assert scrape_port(port).value("darkroom_store_seconds_count") == 1  # of the two jobs, the second
    assert second.poll() is None


def test_without_a_port_a_worker_listens_nowhere(start: Start, line: Line) -> None:
    worker = start()
    submit(line, "a")
    reach(line, "a", JobStatus.SUCCEEDED)
    assert listening(worker) == set()


def listening(process: subprocess.Popen[bytes]) -> set[str]:
    """The sockets of a process on which others can reach it, by inode."""
    folder = f"/proc/{process.pid}/fd"
    opened = {os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}
    listeners = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{process.pid}/net/{table}") as lines:
            listeners |= {f"socket:[{fields[9]}]" for fields in map(str.split, lines) if fields[3] == "0A"}
    return opened & listeners


class Fake:
    """Models on a device that does not answer."""

    def device_memory(self) -> DeviceMemory:
        raise RuntimeError("CUDA error: unspecified launch failure")

    def ran_out(self) -> dict[tuple[str, Rung], int]:
        return {("pocket", Rung.VAE_TILING): 2}


def test_a_device_that_does_not_answer_hides_nothing_else() -> None:
    metrics = WorkerMetrics()
    metrics.watch(Fake(), dict)
    exposition = exposed(metrics)
    assert exposition.value("darkroom_out_of_memory_total", rung="vae_tiling") == 2
    assert "darkroom_device_memory_used_bytes" not in exposition.types


def test_only_a_model_in_memory_is_on_a_rung() -> None:
    states = {
        "a": ModelState(state="warm", rung=Rung.ON_DEVICE),
        "b": ModelState(state="in_memory", rung=Rung.VAE_TILING),
        "c": ModelState(state="cold", rung=Rung.ON_DEVICE),
        "d": ModelState(state="warm"),
    }
    metrics = WorkerMetrics()
    metrics.watch(Fake(), lambda: states)
    rungs = {tuple(sorted(dict(labels).values())) for name, labels in exposed(metrics).series if "rung" in name}
    assert rungs == {("a", "on_device"), ("b", "vae_tiling")}


@pytest.mark.parametrize(("seconds", "loads"), [(0.009, 0), (0.01, 1)])
def test_to_find_a_warm_model_is_no_load(seconds: float, loads: int) -> None:
    metrics = WorkerMetrics()
    metrics.job_drawn("pocket", Timings(load_seconds=seconds))
    assert exposed(metrics).value("darkroom_load_seconds_count") == loads


def exposed(metrics: WorkerMetrics) -> Exposition:
    return read(generate_latest(metrics.registry).decode())
