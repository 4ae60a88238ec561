import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from bench.__main__ import MEASUREMENTS
from bench.client import CallFailed, Client, ended, image_in_hand, request, run, window
from bench.queue_depth import DEPTHS, OPERATIONS, fill, rows_of
from bench.report import Goal
from bench.soak import EMPTY, GROWN, Growth, draw, files_in, watch
from bench.stack import Stack, process, stack, until
from contract import keys
from tests.conftest import ROOT, wait_until
from tests.service.moves import Moves


def test_a_quick_run_prints_a_table_and_keeps_its_result(tmp_path: Path):
    command = [sys.executable, "-m", "bench", "--quick", "--only", "empty_job", "--results", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    kept = json.loads((tmp_path / "empty_job.json").read_text())
    assert [row["what"] for row in kept["rows"][:3]] == ["one client, p50", "one client, p95", "16 clients"]
    assert all(row["median"] > 0 for row in kept["rows"][:3])
    assert "| one client, p50 | ms |" in ran.stdout


def test_every_measurement_can_be_asked_for():
    assert all((ROOT / "bench" / f"{name}.py").exists() for name in MEASUREMENTS)


@pytest.fixture(scope="module")
def darkroom() -> Iterator[Stack]:
    with stack("tests.stub_worker") as running:
        yield running


def test_a_window_fetches_each_image(darkroom: Stack):
    images: list[bytes] = []

    async def fetched(client: Client) -> None:
        images.append(await image_in_hand(client, EMPTY))

    done = run(window(darkroom.port, darkroom.key, 2, 5, fetched))
    assert len(images) == len(done.latencies) == 5
    assert all(image.startswith(b"\x89PNG") for image in images)


def test_a_window_counts_what_failed_and_ends_where_too_much_does(darkroom: Stack):
    asked = itertools.count()

    async def now_and_then(client: Client) -> None:
        await client.call("GET", "/nowhere" if next(asked) % 20 == 0 else "/models")

    some = run(window(darkroom.port, darkroom.key, 2, 40, now_and_then))
    assert (some.failed, len(some.latencies)) == (2, 38)
    with pytest.raises(CallFailed, match="GET /models: 401"):
        run(window(darkroom.port, "dk_wrong", 2, 40, now_and_then))


def test_what_leads_a_window_and_what_follows_it_is_done_but_does_not_count(darkroom: Stack):
    asked = itertools.count()

    async def slow_at_both_ends(_client: Client) -> None:
        await asyncio.sleep(0.02 if 2 <= next(asked) < 6 else 1)

    counted = run(window(darkroom.port, darkroom.key, 2, 4, slow_at_both_ends, lead=2))
    assert next(asked) == 2 + 4 + 2
    assert len(counted.latencies) == 4
    assert max(counted.latencies) < 1
    assert counted.seconds < 1


def test_a_worker_that_leaks_is_caught_and_one_that_does_not_is_not(darkroom: Stack):
    draw(darkroom, 10, EMPTY)
    sound = watch(darkroom, 30, EMPTY)
    files = files_in(darkroom.image_store)
    leaking = watch(darkroom, 30, request(prompt="leak 2"))
    assert files_in(darkroom.image_store) == files + 30
    per_job, grown = leaking.rows("leaks", "worker", Goal(at_most=GROWN))
    assert 1.5 * 2**20 < per_job.median < 2.5 * 2**20
    assert grown.met is False
    assert sound.rows("sound", "worker", Goal(at_most=GROWN))[1].met
    assert leaking.rows("leaks", "service", Goal(at_most=GROWN))[1].met  # it is told which of the two


def test_jobs_that_fail_are_counted_however_few_are_watched_at_once(darkroom: Stack):
    assert watch(darkroom, 2, request(prompt="fail")).failed == 2


@pytest.mark.parametrize(("status", "failed"), [("failed", 0), ("canceled", 1), ("succeeded", 1)])
def test_a_job_that_ends_otherwise_than_it_should_has_failed(darkroom: Stack, status: str, failed: int):
    async def end(client: Client) -> None:
        job_id = (await client.call("POST", "/generate", request(prompt="fail"))).json()["id"]
        await ended(client, job_id, status)

    assert run(window(darkroom.port, darkroom.key, 1, 1, end)).failed == failed


def test_a_child_that_cannot_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with (
        pytest.raises(SystemExit, match="not ready"),
        process(sys.executable, "-c", "raise ValueError('odd')", log=tmp_path / "child.log") as child,
    ):
        until(lambda: False, child)
    assert "ValueError: odd" in capsys.readouterr().err


def test_what_a_child_has_started_ends_with_it(tmp_path: Path):
    started = tmp_path / "started"
    grandchild = f"import subprocess; print(subprocess.Popen(['sleep', '60']).pid, file=open('{started}', 'w'))"
    with process(sys.executable, "-c", f"{grandchild}; import time; time.sleep(60)", log=tmp_path / "log") as child:
        until(lambda: started.exists() and started.read_text().endswith("\n"), child)
        left = psutil.Process(int(started.read_text()))
        assert left.is_running()
    wait_until(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)


def test_growth_is_that_of_the_second_half_and_of_what_there_was_before():
    filling_up = Growth(list(range(0, 80, 10)), {"service": [1000, 1500, 1900, 2000, 2000, 2000, 2000, 2000]})
    assert filling_up.rows("some", "service", Goal(at_most=GROWN))[1].met
    leaking = Growth(list(range(0, 80, 10)), {"service": [1000, 1500, 1900, 2000, 2020, 2040, 2060, 2080]})
    per_job, grown = leaking.rows("some", "service", Goal(at_most=GROWN))
    assert per_job.median == pytest.approx(2)
    assert grown.median == pytest.approx(14)  # 70 jobs, of 1000


def test_a_line_is_as_deep_as_asked_for(client: redis.Redis):
    fill(client, 2500, 1)
    assert client.zcard(f"{keys.LINE_PREFIX}bench") == 2500
    client.flushdb()
    fill(client, 60, 7)
    assert client.scard(keys.OWNERS) == 7
    moves = Moves(client)
    assert len({moves.claim() for _ in range(60)}) == 60
    assert not client.exists(keys.WAITING)


def test_depths_that_owners_do_not_divide_are_filled_too(client: redis.Redis):
    fill(client, 10, 1000)
    assert client.scard(keys.OWNERS) == 10


def test_the_ratio_is_of_the_same_round():
    shallow = [{name: [1.0, 1.0, 9.0] for name in OPERATIONS}, {name: [2.0] for name in OPERATIONS}]
    deep = [{name: [1.2] for name in OPERATIONS}, {name: [3.0] for name in OPERATIONS}]
    rows = rows_of({DEPTHS[0]: shallow, DEPTHS[1]: deep}, owners=1)
    assert len(rows) == 2 * len(OPERATIONS)
    assert list(rows[0].rounds) == [1000.0, 2000.0]
    assert list(rows[1].rounds) == [1.2, 1.5]
    assert rows[1].met is False
