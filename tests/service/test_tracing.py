"""A real service and a real worker that send their spans to a collector."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.collector import CollectedSpan, Collector
from tests.conftest import ROOT, end, start_stub, wait_until
from tests.service.conftest import Service, start_service, stop_service

CANARY = "zanzibar"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


@dataclass
class Traced:
    """A service and its workers, in one environment."""

    service: Service
    redis_url: str
    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> None:
        self.workers.append(start_stub(self.redis_url, self.service.data_dir, "tracing", **self.environment))

    def submit(self, prompt: str, headers: Mapping[str, str | bytes] | None = None, **parameters: Any) -> str:
        body = {"prompt": prompt, "negative_prompt": CANARY} | parameters
        answer = self.service.http.post("/generate", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def end_of(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.service.http.get(f"/jobs/{job_id}", params={"wait": 20}).json()
        assert job["completed_at"], job
        return job

    def stop(self) -> None:
        for worker in self.workers:
            end(worker)
        stop_service(self.service)


def start(valkey_socket: Path, folder: Path, environment: dict[str, str]) -> Traced:
    redis_url = f"unix://{valkey_socket}?db=4"
    traced = Traced(start_service(redis_url, folder, **environment), redis_url, environment)
    traced.start_worker()
    return traced


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Traced]:
    traced = start(valkey_socket, tmp_path_factory.mktemp("traced"), collector.environment)
    yield traced
    traced.stop()


def spans_of(collector: Collector, job_id: str, attempts: int = 1) -> list[CollectedSpan]:
    """All of the job's trace, once the job's own span of that claim is there; the first to begin is the first."""

    def job() -> CollectedSpan | None:
        spans = (span for span in collector.named("job") if span.attributes["darkroom.job.id"] == job_id)
        return next((span for span in spans if span.attributes["darkroom.job.attempts"] == attempts), None)

    found = wait_until(job)
    wait_until(lambda: [span for span in collector.spans if span.id == found.parent])
    return sorted((span for span in collector.spans if span.trace == found.trace), key=lambda span: span.nanoseconds)


def test_a_job_is_one_trace_from_its_request_to_its_store(traced: Traced, collector: Collector) -> None:
    job_id = traced.submit("a fox", seed=7, num_images_per_prompt=2)
    traced.end_of(job_id)
    request, job, store = spans_of(collector, job_id)
    assert [(span.service, span.name, span.kind) for span in (request, job, store)] == [
        ("darkroom-service", "POST /generate", "server"),
        ("darkroom-worker", "job", "consumer"),
        ("darkroom-worker", "store", "internal"),
    ]
    assert [request.parent, job.parent, store.parent] == ["", request.id, job.id]
    assert request.attributes["http.response.status_code"] == 202
    assert 0 < job.attributes["darkroom.job.queued_seconds"] < 60
    wanted = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.output.type": "image",
        "gen_ai.request.model": "pocket",
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "darkroom.job.attempts": 1,
        "darkroom.job.status": "succeeded",
        "darkroom.worker.name": "tracing",
    }
    assert wanted.items() <= job.attributes.items()
    assert not any(span.failed for span in (request, job, store))


@pytest.mark.parametrize(("trace", "state"), [(TRACE, "vendor=1"), ("d" * 32, "")])
def test_a_client_s_trace_is_continued(traced: Traced, collector: Collector, trace: str, state: str) -> None:
    job_id = traced.submit("a fox", {"traceparent": f"00-{trace}-{CALLER}-01", "tracestate": state})
    traced.end_of(job_id)
    spans = spans_of(collector, job_id)
    assert {span.trace for span in spans} == {trace}
    assert [span.parent for span in spans] == [CALLER, spans[0].id, spans[1].id]
    assert {span.state for span in spans} == {state}


def test_all_jobs_of_a_grid_are_in_the_trace_of_its_request(traced: Traced, collector: Collector) -> None:
    body = {"parameters": {"prompt": "a fox"}, "x": {"parameter": "seed", "values": [1, 2]}}
    grid = traced.service.http.post("/grids", json=body).json()
    for cell in grid["cells"]:
        traced.end_of(cell["job_id"])
        request, *others = spans_of(collector, cell["job_id"])
        assert (request.name, request.parent) == ("POST /grids", "")
    # A job may be stored while the next is drawn: which span is the earlier one says nothing.
    jobs = {span.id for span in others if span.name == "job" and span.parent == request.id}
    assert len(jobs) == 2
    assert {span.parent for span in others if span.name == "store"} == jobs
    assert len(others) == 4


def test_a_client_that_is_not_sampled_is_not_traced(traced: Traced, collector: Collector) -> None:
    traced.end_of(traced.submit("a fox", {"traceparent": f"00-{'a' * 32}-{CALLER}-00"}))
    traced.end_of(traced.submit("a fox", {"traceparent": f"00-{'b' * 32}-{CALLER}-01"}))
    wait_until(lambda: [span for span in collector.named("job") if span.trace == "b" * 32])
    assert [span for span in collector.spans if span.trace == "a" * 32] == []


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01", "é"])
def test_a_traceparent_that_is_none_begins_a_new_trace(traced: Traced, collector: Collector, traceparent: str) -> None:
    job_id = traced.submit("a fox", {"traceparent": traceparent.encode("latin-1")})
    assert traced.end_of(job_id)["status"] == "succeeded"
    assert spans_of(collector, job_id)[0].parent == ""


def test_a_tracestate_without_bounds_is_dropped(traced: Traced, collector: Collector) -> None:
    headers = {
        "traceparent": f"00-{'c' * 32}-{CALLER}-01",
        "tracestate": ",".join(f"v{n}={'x' * 200}" for n in range(4)),
    }
    job_id = traced.submit("a fox", headers)
    traced.end_of(job_id)
    assert [span.state for span in spans_of(collector, job_id) if span.name == "job"] == [""]


def test_a_job_that_is_done_again_after_a_crash_stays_in_its_trace(traced: Traced, collector: Collector) -> None:
    job_id = traced.submit("steps 20")
    wait_until(lambda: traced.service.http.get(f"/jobs/{job_id}").json()["progress"], 20)
    end(traced.workers[-1], signal.SIGKILL)
    traced.start_worker()
    traced.end_of(job_id)
    request, job, store = spans_of(collector, job_id, attempts=2)
    assert (request.name, job.parent, store.parent) == ("POST /generate", request.id, job.id)
    assert job.attributes["darkroom.job.queued_seconds"] > 0


def test_failures_are_named_and_a_refused_request_has_its_status(traced: Traced, collector: Collector) -> None:
    traced.end_of(traced.submit(f"fail {CANARY}"))
    failed = wait_until(lambda: [span for span in collector.named("job") if span.failed])[0]
    assert failed.attributes["error.type"] == "generation_failed"
    assert failed.attributes["darkroom.job.status"] == "failed"
    traced.service.http.post(f"/generate?{CANARY}={CANARY}", json={"prompt": CANARY, "width": -1})
    refused = wait_until(lambda: [s for s in collector.spans if s.attributes.get("http.response.status_code") == 422])
    assert (refused[0].name, refused[0].failed) == ("POST /generate", False)


def test_a_canceled_job_s_span_says_so(traced: Traced, collector: Collector) -> None:
    job_id = traced.submit("steps 400")
    wait_until(lambda: traced.service.http.get(f"/jobs/{job_id}").json()["progress"], 20)
    assert traced.service.http.post(f"/jobs/{job_id}/cancel").status_code == 200
    spans = spans_of(collector, job_id)
    assert spans[-1].attributes["darkroom.job.status"] == "canceled"
    assert not spans[-1].failed
    canceling = wait_until(lambda: collector.named("POST /jobs/{job_id}/cancel"))
    assert canceling[0].trace != spans[0].trace


def test_a_worker_that_ends_by_an_error_is_traced_by_its_class_alone(traced: Traced, collector: Collector) -> None:
    job_id = traced.submit(f"crash {CANARY}")
    request, job = spans_of(collector, job_id)
    assert (job.parent, job.failed, job.attributes["error.type"]) == (request.id, True, "ValueError")
    traced.service.http.post(f"/jobs/{job_id}/cancel")
    traced.start_worker()
    assert traced.end_of(job_id)["status"] == "canceled"


def test_no_span_tells_what_a_client_asked_for(traced: Traced, collector: Collector) -> None:
    headers = {"Authorization": f"Bearer {CANARY}", "User-Agent": CANARY, "baggage": f"a={CANARY}"}
    for prompt in (CANARY, f"fail {CANARY}"):
        job_id = traced.submit(prompt, headers, labels={"for": CANARY})
        traced.end_of(job_id)
        spans_of(collector, job_id)
    axis = {"parameter": "prompt", "values": [CANARY]}
    traced.service.http.post("/grids", json={"parameters": {"style": CANARY, "prompt": CANARY}, "x": axis})
    traced.service.http.post("/inspect", content=CANARY, headers={"Content-Type": f"image/{CANARY}"})
    traced.service.http.post(f"/jobs/{CANARY}/webhook/redeliver")
    traced.service.http.post(f"/{CANARY}?{CANARY}={CANARY}", content=CANARY)
    wait_until(lambda: collector.named("POST"))
    assert not any(CANARY.encode() in body for body in collector.requests)


def test_without_the_setting_nothing_is_sent_whatever_other_variables_say(valkey_socket: Path, tmp_path: Path) -> None:
    with Collector() as collector:
        environment = collector.environment | {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_TRACES_EXPORTER": "otlp"}
        del environment["DARKROOM_TRACING"]
        untraced = start(valkey_socket, tmp_path, environment)
        job_id = untraced.submit("a fox", {"traceparent": f"00-{TRACE}-{CALLER}-01"})
        untraced.end_of(job_id)
        with redis.Redis.from_url(untraced.redis_url, decode_responses=True) as client:
            assert client.hmget(f"rq:job:{job_id}", "traceparent", "tracestate") == ["", ""]
        untraced.stop()  # which would send what is left
    assert collector.requests == []


def test_what_makes_and_sends_spans_is_imported_only_where_they_are_sent() -> None:
    # The client of Redis imports the SDK's metrics where it finds them, and uses none.
    script = (
        "import sys, service.__main__, worker.__main__; sends = ('opentelemetry.sdk.trace', 'opentelemetry.exporter');"
        " print([name for name in sys.modules if name.startswith(sends)])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tracing_that_is_not_installed_is_a_setting_that_cannot_be_used(tmp_path: Path) -> None:
    script = "import sys; sys.modules['opentelemetry.sdk'] = None; from service.__main__ import main; sys.exit(main())"
    environment = os.environ | {"DARKROOM_TRACING": "true", "DARKROOM_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 78
    assert "DARKROOM_TRACING: is not installed: pip install 'darkroom[tracing]'" in done.stderr


def test_a_collector_that_is_away_or_silent_holds_up_neither_a_job_nor_the_end(
    valkey_socket: Path, tmp_path: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Long enough that whoever waited for the collector would be seen waiting.
        environment = {
            "DARKROOM_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        traced = start(valkey_socket, tmp_path, environment)
        processes = (traced.workers[0], traced.service.process)
        try:
            assert traced.end_of(traced.submit("a fox"))["status"] == "succeeded"
            listener.listen()
            for _ in range(3):
                assert traced.end_of(traced.submit("a fox"))["status"] == "succeeded"
            for process in processes:
                process.send_signal(signal.SIGTERM)
                process.wait(15)
        finally:
            for process in processes:
                end(process, signal.SIGKILL)
            traced.service.http.close()
