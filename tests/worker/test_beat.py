import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import redis
from PIL import Image

from contract.worker_state import WorkerState
from tests.conftest import wait_until
from tests.contract.test_scripts import Line
from tests.worker.conftest import Previews
from worker.beat import Beat
from worker.execution import Execution, JobCanceled, LeaseLost
from worker.previews import Preview, PreviewArray

STATE = WorkerState(state="ready", pid=1)


@pytest.fixture
def beat(redis_url: str) -> Iterator[Beat]:
    with redis.Redis.from_url(redis_url) as client:
        beat = Beat(client, "w", STATE)
        yield beat
        beat.close()


@pytest.fixture
def line(client: redis.Redis) -> Line:
    line = Line(client)
    line.submit("a")
    return line


@contextmanager
def holding(beat: Beat, execution: Execution) -> Iterator[None]:
    beat.hold(execution)
    yield
    beat.release(execution)


def execution() -> Execution:
    return Execution("a", "e1", "anonymous", "", 60, "too late")


def test_a_lease_outlives_its_length_while_it_is_held(beat: Beat, line: Line) -> None:
    line.claim("e1")
    held = execution()
    with holding(beat, held):
        line.expire_leases()
        wait_until(lambda: line.client.zscore("darkroom:leases", "a:e1") != 1)
    held.check()


def test_an_execution_without_a_lease_learns_it(beat: Beat, line: Line) -> None:
    held = execution()
    with holding(beat, held):
        wait_until(lambda: held.lost)
    assert line.fetch("a").status == "queued"
    with pytest.raises(LeaseLost):
        held.check()


def test_an_execution_learns_that_it_is_to_be_canceled(beat: Beat, line: Line) -> None:
    line.claim("e1")
    line.cancel("a")
    held = execution()
    with holding(beat, held):
        wait_until(lambda: held.canceled)
    with pytest.raises(JobCanceled):
        held.check()


def test_progress_is_shown(beat: Beat, line: Line) -> None:
    line.claim("e1")
    held = execution()
    with holding(beat, held):
        held.step, held.total = 3, 20
        wait_until(lambda: (progress := line.fetch("a").progress) and (progress.step, progress.total) == (3, 20))


def seen() -> PreviewArray:
    """Twice as wide as it is high, and green."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[..., 1] = 200
    return pixels


def seen_at(held: Execution, every_seconds: float, steps: int = 40) -> list[int]:
    """The steps whose previews then wait."""
    for step in range(1, steps + 1):
        held.moves(step, steps)
        held.moved_at = step * every_seconds
        held.make_preview(seen)
    return [preview.step for preview in held.take_previews()]


def test_a_preview_is_made_only_where_one_is_wanted_and_there_is_something_to_see() -> None:
    held = execution()
    assert seen_at(held, 0.03) == []
    held.preview_wanted = True
    held.make_preview(lambda: None)
    assert held.take_previews() == []
    assert seen_at(held, 0.03, steps=5) == [1, 2, 3, 4, 5]
    assert held.take_previews() == []


def test_previews_of_fast_steps_are_spread_and_the_latest_wait() -> None:
    held = execution()
    held.preview_wanted = True
    assert seen_at(held, 0.01, steps=20) == [1, 4, 7, 10, 13, 16, 19]
    assert seen_at(held, 10) == list(range(33, 41))


def test_an_execution_learns_that_a_preview_is_wanted_and_when_no_more(beat: Beat, line: Line) -> None:
    line.claim("e1")
    held = execution()
    with holding(beat, held):
        line.client.set("darkroom:preview:a", 1)
        wait_until(lambda: held.preview_wanted)
        line.client.delete("darkroom:preview:a")
        wait_until(lambda: not held.preview_wanted)
    held.check()


def test_a_preview_is_published_as_a_small_jpeg(beat: Beat, line: Line, previews: Previews) -> None:
    line.claim("e1")
    line.client.set("darkroom:preview:a", 1)
    held = execution()
    held.previews.append(Preview(3, 20, seen()))
    with holding(beat, held):
        (message,) = previews(1)
    assert not held.previews
    job_id, _, text = message.partition(" ")
    shown = json.loads(text)
    image = Image.open(BytesIO(base64.b64decode(shown["image"].removeprefix("data:image/jpeg;base64,"))))
    assert (job_id, shown["step"], shown["total"], image.format, image.size) == ("a", 3, 20, "JPEG", (256, 128))
    assert np.abs(np.asarray(image, np.int16) - (0, 200, 0)).max() < 10


def test_a_preview_that_nobody_wants_any_more_is_dropped(beat: Beat, line: Line, previews: Previews) -> None:
    line.claim("e1")
    held = execution()
    held.previews.append(Preview(3, 20, seen()))
    with holding(beat, held):
        wait_until(lambda: not held.previews)
    beat.close()
    line.client.publish("darkroom:previews", "nothing before this")
    assert previews(1) == ["nothing before this"]


def test_the_first_beat_of_each_job_publishes_all_previews_that_wait_in_their_order(
    beat: Beat, line: Line, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.beat.BUSY_SECONDS", 60)  # no other comes
    line.submit("b")
    first, second = execution(), Execution("b", "e2", "anonymous", "", 60, "too late")
    for held in (first, second):
        line.claim(held.execution_id)
        line.client.set(f"darkroom:preview:{held.job_id}", 1)
        held.previews.extend(Preview(step, 20, seen()) for step in (3, 4, 5))
    with holding(beat, first):
        told = previews(3)
        with holding(beat, second):
            told += previews(3)
    shown = [(job_id, json.loads(text)["step"]) for job_id, _, text in (message.partition(" ") for message in told)]
    assert shown == [(job_id, step) for job_id in "ab" for step in (3, 4, 5)]


def test_a_beat_comes_at_once_where_it_is_hurried(
    beat: Beat, line: Line, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.beat.BUSY_SECONDS", 60)
    line.claim("e1")
    line.client.set("darkroom:preview:a", 1)
    held = execution()
    with holding(beat, held):
        wait_until(lambda: held.preview_wanted)
        held.previews.append(Preview(20, 20, seen()))
        beat.hurry()
        (message,) = previews(1)
    assert message.startswith('a {"step": 20,')


def shown(line: Line) -> WorkerState:
    told = line.client.hget("darkroom:workers", "w") or ""
    return WorkerState.model_validate_json(told.partition(" ")[2])


def test_a_new_state_is_shown_at_once(beat: Beat, line: Line) -> None:
    beat.show(STATE.model_copy(update={"state": "failed", "reason": "broken"}))
    assert shown(line).reason == "broken"


def test_a_beat_under_way_does_not_hide_a_newer_state(redis_url: str, line: Line) -> None:
    begun = threading.Event()

    class SlowFirstBeat(redis.Redis):
        """Holds the first command of the beat thread back for a moment, as a busy machine does."""

        def execute_command(self, *args: Any, **options: Any) -> Any:
            if threading.current_thread().name == "beat" and not begun.is_set():
                begun.set()
                time.sleep(0.3)
            return super().execute_command(*args, **options)

    with SlowFirstBeat.from_url(redis_url) as client:
        beat = Beat(client, "w", STATE.model_copy(update={"state": "loading"}))
        assert begun.wait(5)
        beat.show(STATE)
        time.sleep(0.6)
        state = shown(line).state
        beat.close()
    assert state == "ready"
