"""The service keeps to its own document: Schemathesis finds nothing, with every check, two keys and real jobs.

`make test-contract` looks longer, from another start each time.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.access.key_file import KeyLimits
from service.keys import add
from tests.conftest import end
from tests.service.conftest import Service, start_service, start_stub_worker, stop_service

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SEED = os.environ.get("DARKROOM_TEST_SEED", "20")
EXAMPLES = os.environ.get("DARKROOM_TEST_EXAMPLES", "12")
"""For each operation, in each phase."""


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """Of the service; that of Schemathesis is beside it."""
    path = tmp_path / "keys.json"
    users = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {add(path, name, KeyLimits())}"}]}
        for name in ("alice", "bob")
    ]
    (tmp_path / "schemathesis_keys.json").write_text(json.dumps({"auth": users}))
    return path


@pytest.fixture
def worked_service(redis_url: str, keys_file: Path) -> Iterator[Service]:
    """With keys, and a worker whose jobs end at once."""
    service = start_service(redis_url, keys_file.parent / "data", DARKROOM_API_KEYS_FILE=str(keys_file))
    worker = start_stub_worker(service, redis_url)
    yield service
    assert worker.poll() is None
    end(worker, signal.SIGKILL)
    stop_service(service)


@pytest.mark.timeout(1800)
def test_schemathesis_finds_nothing(worked_service: Service, keys_file: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
    options = ["--checks", "all", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color"]
    run = subprocess.run(
        [*command, *options, f"{worked_service.url}/openapi.json"],
        cwd=keys_file.parent,
        env=os.environ | {"DARKROOM_TEST_KEYS": str(keys_file.with_name("schemathesis_keys.json"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase} \(", run.stdout), phase
    covered = re.search(r"API Links: +(\d+) covered", run.stdout)
    assert covered
    assert int(covered[1]) >= 5
    selected = re.search(r"Operations: +(\d+) selected / (\d+) total", run.stdout)
    assert selected
    assert selected[1] == selected[2]
