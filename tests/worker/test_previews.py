"""Previews of a running job: the real worker process around a stub pipeline, on a real Valkey."""

import base64
import json
from io import BytesIO

from PIL import Image

from contract.job import JobStatus
from tests.conftest import wait_until
from tests.contract.test_scripts import Line
from tests.worker.conftest import Previews, Start, reach, running, submit


def progress(line: Line) -> int:
    shown = line.fetch("a").progress
    return shown.step if shown else 0


def next_beat(line: Line) -> None:
    """Waits for one that began after this was called."""
    before = progress(line)
    wait_until(lambda: progress(line) > before)


def test_a_job_shows_previews_while_somebody_wants_them(start: Start, line: Line, previews: Previews) -> None:
    submit(line, "a", "steps 400")
    start()
    running(line, "a")
    line.client.set("darkroom:preview:a", 1)
    messages = [message.partition(" ") for message in previews(8)]
    shown = [json.loads(text) for _, _, text in messages]
    assert {job_id for job_id, _, _ in messages} == {"a"}
    assert {each["total"] for each in shown} == {400}
    steps = [each["step"] for each in shown]
    assert steps == sorted(set(steps))
    assert steps[-1] - steps[0] < 2 * len(steps)  # of nearly each step, of which a beat has four
    for each in shown:
        image = Image.open(BytesIO(base64.b64decode(each["image"].partition(",")[2])))
        assert image.size == (256, 256)
        assert abs(image.getpixel((128, 128))[0] - 255 * each["step"] // 400) < 4
    line.client.pexpire("darkroom:preview:a", 100)
    wait_until(lambda: not line.client.exists("darkroom:preview:a"))
    next_beat(line)
    line.client.publish("darkroom:previews", "expired")
    while previews(1) != ["expired"]:
        pass
    next_beat(line)
    next_beat(line)
    line.client.publish("darkroom:previews", "still running")
    assert previews(1) == ["still running"]


def test_a_job_that_nobody_watches_shows_nothing(start: Start, line: Line, previews: Previews) -> None:
    line.client.set("darkroom:preview:b", 1)
    submit(line, "a", "steps 20")
    submit(line, "b", "steps 400")
    start()
    reach(line, "a", JobStatus.SUCCEEDED)
    (message,) = previews(1)
    assert message.startswith("b ")
