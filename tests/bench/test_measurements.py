import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from bench.__main__ import MEASUREMENTS
from bench.client import CallFailed, Client, image_in_hand, run, window
from bench.queue_depth import DEPTHS, OPERATIONS, fill, rows_of
from bench.report import Goal
from bench.soak import EMPTY, GROWN, Growth, draw, files_in, watch
from bench.stack import Stack, stack
from contract import keys
from tests.conftest import ROOT
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
        images.append(await image_in_hand(client, json.dumps(EMPTY).encode()))

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


def test_a_worker_that_leaks_is_caught_and_one_that_does_not_is_not(darkroom: Stack):
    draw(darkroom, 10, EMPTY)
    sound = watch(darkroom, 30, EMPTY)
    files = files_in(darkroom.image_store)
    leaking = watch(darkroom, 30, EMPTY | {"prompt": "leak 2"})
    assert files_in(darkroom.image_store) == files + 30
    per_job, grown = leaking.rows("leaks", "worker", Goal(at_most=GROWN))
    assert 1.5 * 2**20 < per_job.median < 2.5 * 2**20
    assert grown.met is False
    assert sound.rows("sound", "worker", Goal(at_most=GROWN))[1].met
    assert leaking.rows("leaks", "service", Goal(at_most=GROWN))[1].met  # it is told which of the two


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
