"""`darkroom generate`, with pipes: what scripts see."""

import contextlib
import io
import json
import signal
from pathlib import Path
from typing import Any

from PIL import Image

from tests.conftest import wait_until
from tests.darkroom.commands.conftest import Command
from tests.service.conftest import Service


def jobs_labeled(service: Service, value: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = service.http.get("/jobs", params={"label": f"test:{value}"}).json()["jobs"]
    return jobs


def has_a_connection(pid: int) -> bool:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if "socket" in str(link.readlink()):
                return True
    return False


def test_pictures_are_saved_and_their_paths_are_all_that_is_printed(command: Command, service: Service) -> None:
    words = ["--num-images", "2", "--seed", "7", "--size", "64x128", "--steps", "3", "-g", "2.5", "-l", "test=saved"]
    more = ["--scheduler", "Euler a", "--style", "photo", "--deadline-seconds", "60", "--exclusive"]
    process = command.start(
        "generate", "a fox", "-o", "fox.webp", "--negative-prompt", "rain", *words, *more, FORCE_COLOR="1"
    )
    assert process.communicate(timeout=60) == (b"fox-0.webp\nfox-1.webp\n", b"")
    assert process.returncode == 0
    for index in (0, 1):
        with Image.open(command.folder / f"fox-{index}.webp") as picture:
            assert (picture.format, picture.size) == ("WEBP", (64, 128))

    (job,) = jobs_labeled(service, "saved")
    asked = {"width": 64, "height": 128, "num_inference_steps": 3, "guidance_scale": 2.5, "seed": 7}
    asked |= {"scheduler": "Euler a", "num_images_per_prompt": 2, "output_format": "webp"}
    assert job["parameters"] == job["parameters"] | asked
    assert job["style"] == {"name": "photo", "prompt": "a fox", "negative_prompt": "rain"}
    assert job["exclusive"] is True


def test_nothing_is_drawn_for_a_name_that_is_taken(command: Command, service: Service) -> None:
    (command.folder / "fox-1.png").write_text("")
    refused = command("generate", "a fox", "-n", "2", "-o", "fox.png", "-l", "test=taken", exit_code=2)
    assert "fox-1.png is there already; --force writes over it" in refused.stderr
    assert jobs_labeled(service, "taken") == []
    command("generate", "a fox", "-n", "2", "-o", "fox.png", "--force")
    assert (command.folder / "fox-1.png").stat().st_size > 0


def test_the_document_names_the_files(command: Command) -> None:
    words = ("generate", "-", "-o", "new/", "--output-format", "jpeg", "--json")
    job = json.loads(command(*words, stdin="ein Füchschen\n".encode()).stdout)
    assert (job["parameters"]["prompt"], job["status"]) == ("ein Füchschen", "succeeded")
    assert job["files"] == [f"new/{job['id']}.jpeg"]
    with Image.open(command.folder / job["files"][0]) as picture:
        assert picture.format == "JPEG"


def test_one_picture_can_go_to_standard_output(command: Command) -> None:
    drawn = command("generate", "a fox", "--seed", "9", "-o", "-")
    red = Image.open(io.BytesIO(drawn.stdout_bytes)).convert("RGB").getpixel((0, 0))
    assert (red, drawn.stderr) == ((9, 0, 0), "")


def test_a_failed_job_is_told_in_a_line(command: Command) -> None:
    failed = command("generate", "fail", "--json", exit_code=1)
    job = json.loads(failed.stdout)
    assert (job["status"], job["files"]) == ("failed", [])
    assert failed.stderr == f"darkroom: job {job['id']} failed: {job['error']['detail']} (generation_failed)\n"


def test_pictures_that_were_withheld_are_told_of(command: Command) -> None:
    drawn = command("generate", "filtered 0", "-n", "2", "-o", "fox-{index}-{seed}.png", "--seed", "5")
    assert drawn.stdout == "fox-1-6.png\n"
    assert drawn.stderr.endswith("(image_filtered)\n")


def test_what_the_service_refuses_is_told_in_the_words_of_the_options(command: Command) -> None:
    refused = command("generate", "fox", "--steps", "101", "--height", "512", exit_code=2)
    assert (refused.stdout, refused.stderr.splitlines()) == (
        "",
        [
            "darkroom: --height: must be at most 256 for model 'pocket'",
            "darkroom: --num-inference-steps: must be at most 100 for model 'pocket'",
        ],
    )


def test_a_second_interrupt_leaves_at_once(command: Command, service: Service) -> None:
    process = command.start("generate", "steps 100", "-l", "test=twice")
    assert process.stderr is not None
    (job,) = wait_until(lambda: jobs_labeled(service, "twice"), 30)
    service.process.send_signal(signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == b"darkroom: canceling; Ctrl-C again leaves at once\n"
        process.send_signal(signal.SIGINT)
        output, rest = process.communicate(timeout=10)
    finally:
        process.kill()
        process.communicate()
        service.process.send_signal(signal.SIGCONT)
    assert (process.returncode, output, rest) == (130, b"", b"")
    service.http.post(f"/jobs/{job['id']}/cancel")


def test_an_interrupt_while_the_answer_to_a_submit_is_on_its_way_cancels_the_job(
    command: Command, service: Service
) -> None:
    service.process.send_signal(signal.SIGSTOP)
    process = command.start("generate", "steps 100", "-l", "test=unanswered")
    try:
        wait_until(lambda: has_a_connection(process.pid), 30)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline() == b"darkroom: canceling; Ctrl-C again leaves at once\n"
        service.process.send_signal(signal.SIGCONT)
        output, errors = process.communicate(timeout=30)
    finally:
        service.process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()
    assert (process.returncode, output, errors) == (130, b"", b"darkroom: canceled; what runs ends at its next step\n")
    (job,) = jobs_labeled(service, "unanswered")
    assert service.http.get(f"/jobs/{job['id']}", params={"wait": 10}).json()["status"] == "canceled"
