"""The real service and the real worker with the bundled model, and a collector."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.collector import Collector
from tests.conftest import ROOT, end, wait_until
from tests.integration.conftest import READY_SECONDS
from tests.service.conftest import start_service, stop_service


def test_a_job_s_trace_shows_where_its_time_went(valkey_socket: Path, tmp_path: Path) -> None:
    redis_url = f"unix://{valkey_socket}?db=10"
    with Collector() as collector:
        service = start_service(redis_url, tmp_path, **collector.environment)
        variables = {"DARKROOM_REDIS_URL": redis_url, "DARKROOM_DATA_DIR": str(tmp_path), "DARKROOM_DEVICE": "cpu"}
        environment = os.environ | variables | collector.environment
        worker = subprocess.Popen([sys.executable, "-m", "worker"], cwd=ROOT, env=environment)
        job_id = service.submit(num_inference_steps=2)["id"]
        job = wait_until(lambda: _ended(service.http.get(f"/jobs/{job_id}?wait=30").json()), READY_SECONDS)
        consumed = wait_until(lambda: collector.named("job"))[0]
        end(worker)
        stop_service(service)
    phases = [span for span in collector.spans if span.parent == consumed.id]
    assert [span.name for span in phases] == ["load", "denoise", "load", "decode", "store"]
    assert {span.trace for span in phases} == {collector.named("POST /generate")[0].trace} == {consumed.trace}
    times = [moment for span in phases for moment in span.nanoseconds]
    assert sorted(times) == times
    assert consumed.nanoseconds[0] <= times[0] < times[-1] <= consumed.nanoseconds[1]
    assert job["status"] == "succeeded"


def _ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["completed_at"] else None
