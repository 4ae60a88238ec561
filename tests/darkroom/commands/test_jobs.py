"""`darkroom jobs`, `job`, `cancel`, `models`, `inspect` and `grid`, where no terminal is."""

import json

from PIL import Image

from tests.darkroom.commands.conftest import Command
from tests.service.conftest import Service


def test_a_job_is_submitted_listed_shown_fetched_and_canceled(command: Command, service: Service) -> None:
    job_id = command("generate", "a\tfox\nof a kind", "--no-wait", "-l", "test=listed", "--seed", "3").stdout.strip()
    assert command("job", job_id, "--wait", "-o", "fox.jpg").stdout == "fox.jpg\n"
    with Image.open(command.folder / "fox.jpg") as picture:
        assert picture.format == "JPEG"

    long = service.submit(prompt="steps 100", labels={"test": "listed"})["id"]
    assert command("cancel", long, job_id).stdout.splitlines()[1] == f"{job_id}\tsucceeded"
    assert command("job", long, "--wait", exit_code=1).stderr == f"darkroom: job {long} canceled\n"
    assert command("job", long, "-o", "none.png", exit_code=1).stderr == f"darkroom: job {long} canceled\n"

    (row,) = command("jobs", "--label", "test=listed", "--status", "succeeded").stdout.splitlines()
    found, status, _, model, images, prompt = row.split("\t")
    assert (found, status, model, images, prompt) == (job_id, "succeeded", "pocket", "1", "a fox of a kind")
    (document,) = json.loads(command("jobs", "--label", "test=listed", "--limit", "1", "--json").stdout)
    assert (document["id"], document["status"]) == (long, "canceled")

    shown = dict(line.split("\t", 1) for line in command("job", job_id).stdout.splitlines())
    assert (shown["parameters.seed"], shown["labels.test"], shown["images.0.seed"]) == ("3", "listed", "3")


def test_a_job_that_there_is_not_is_told_in_a_line(command: Command) -> None:
    missing = command("job", "0" * 32, exit_code=5)
    assert (missing.stdout, missing.stderr) == ("", "darkroom: There is no such job. (job_not_found)\n")


def test_a_grid_is_drawn_on_one_sheet(command: Command) -> None:
    words = ("--x", "steps=1,3", "--y", 'prompt=["a fox, red", "fail"]', "--seed", "5", "--json", "-o", "sheet.webp")
    drawn = command("grid", "a fox", *words, exit_code=1)
    grid = json.loads(drawn.stdout)
    assert grid["x"] == {"parameter": "num_inference_steps", "values": [1, 3]}
    assert grid["y"] == {"parameter": "prompt", "values": ["a fox, red", "fail"]}
    assert (grid["counts"]["succeeded"], grid["files"]) == (2, ["sheet.webp"])
    assert drawn.stderr == "darkroom: 2 of 4 cells have no picture; the sheet says why\n"
    with Image.open(command.folder / "sheet.webp") as picture:
        assert picture.format == "WEBP"


def test_the_models_on_offer_are_listed(command: Command, service: Service) -> None:
    (row,) = command("models").stdout.splitlines()
    assert row.split("\t")[:2] == ["pocket", "warm"]
    assert "256x256, 100 steps, 8 images" in row
    assert json.loads(command("models", "--json").stdout) == service.http.get("/models").json()["models"]


def test_a_picture_gives_its_parameters_back(command: Command, service: Service) -> None:
    job = service.submit(prompt="a fox", seed=11)
    job = service.http.get(f"/jobs/{job['id']}", params={"wait": 30}).json()
    picture = service.http.get(job["images"][0]["url"]).content
    (command.folder / "fox.png").write_bytes(picture)
    assert json.loads(command("inspect", "fox.png", "--json").stdout) == job["parameters"]
    shown = command("inspect", "-", stdin=picture).stdout
    assert "parameters.seed\t11\n" in shown
    assert "marked_as_ai\ttrue\n" in shown
    missing = command("inspect", "missing.png", exit_code=2)
    assert missing.stderr == "darkroom: missing.png cannot be read: No such file or directory\n"
