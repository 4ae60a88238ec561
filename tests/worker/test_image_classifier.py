"""A classifier of the operator's: open_nsfw's own file, and one of a known answer for every other form of input."""

import os
import subprocess
import sys
from math import exp
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contract.errors import SettingsError
from tests.conftest import ROOT
from tests.onnx_file import OPEN_NSFW, mean_of_channels
from worker.image_classifier import ImageClassifier, load_image_classifier
from worker.settings import WorkerSettings

PENGUIN = Image.open(ROOT / "docs" / "images" / "penguin.png").convert("RGB")
RAW = {"image_classifier_mean": (0, 0, 0), "image_classifier_scale": (255, 255, 255)}


def classifier(path: Path = OPEN_NSFW, **settings: Any) -> ImageClassifier:
    named = {f"image_classifier_{name}": value for name, value in settings.items()}
    loaded = load_image_classifier(WorkerSettings(image_classifier=path, **named))
    assert loaded is not None
    return loaded


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    path = tmp_path / "channels.onnx"
    path.write_bytes(mean_of_channels())
    return path


def test_an_innocent_picture_passes_by_default_and_nothing_does_at_the_threshold_0() -> None:
    judge = classifier()
    assert not judge.withholds(PENGUIN)
    assert judge.score(PENGUIN) < 0.1
    assert classifier(threshold=0).withholds(PENGUIN)
    assert classifier(threshold=judge.score(PENGUIN)).withholds(PENGUIN)


def test_the_class_that_counts_can_be_another() -> None:
    assert classifier(**{"class": 0}).score(PENGUIN) == pytest.approx(1 - classifier().score(PENGUIN), abs=1e-5)


@pytest.mark.parametrize(("order", "score"), [("rgb", 0.8), ("bgr", 0.2)])
@pytest.mark.parametrize("side", [8, "open"])
def test_channels_in_front_in_either_order_and_sides_left_open(
    tmp_path: Path, order: str, score: float, side: int | str
) -> None:
    path = tmp_path / "it.onnx"
    path.write_bytes(mean_of_channels(side))
    judge = classifier(path, channels=order, mean="0,0,0", scale="255,255,255", **{"class": 0})
    assert judge.score(Image.new("RGB", (40, 20), (204, 0, 51))) == pytest.approx(score, abs=1e-3)


def test_the_whole_picture_is_judged_to_its_edge(channels: Path) -> None:
    judge = classifier(channels, mean="0,0,0", scale="255,255,255")
    picture = Image.new("RGB", (80, 80))
    picture.paste((0, 255, 0), (0, 0, 80, 10))
    assert judge.score(picture) == pytest.approx(1 / 8, abs=0.01)


def test_a_mean_and_a_scale_for_each_channel_and_logits(channels: Path) -> None:
    judge = classifier(channels, channels="rgb", mean="100,0,50", scale="50,100,1000", outputs="logits")
    logits = [(200 - 100) / 50, 100 / 100, 0]
    expected = exp(logits[1]) / sum(map(exp, logits))
    assert judge.score(Image.new("RGB", (8, 8), (200, 100, 50))) == pytest.approx(expected, abs=1e-6)


def test_what_is_no_probability_is_an_error_and_not_a_pass(channels: Path) -> None:
    judge = classifier(channels, mean="127,127,127", **{"class": 0})
    with pytest.raises(ValueError, match="no probabilities"):
        judge.withholds(Image.new("RGB", (8, 8)))


@pytest.mark.parametrize(
    ("content", "settings", "reason"),
    [
        (None, {}, "No such file or directory"),
        (b"no ONNX", {}, "onnxruntime cannot read it: .*protobuf"),
        (mean_of_channels(), {}, "it gives numbers that are no probabilities"),
        (mean_of_channels(), RAW | {"image_classifier_class": 3}, "it gives 3 numbers, the first of them number 0"),
        (mean_of_channels().replace(b"GlobalAveragePool", b"GlobalAverageFool"), RAW, "onnxruntime cannot read it"),
        (
            mean_of_channels().replace(b"\x08\x03", b"\x08\x04"),
            RAW,
            r"it takes .* of the shape \[1, 4, 8, 8\], and no RGB picture",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_setting_the_file_and_the_reason(
    tmp_path: Path, content: bytes | None, settings: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "it.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"^DARKROOM_IMAGE_CLASSIFIER: {path} cannot be used: {reason}"):
        load_image_classifier(WorkerSettings(image_classifier=path, **settings))


def test_without_onnxruntime_the_extra_is_named() -> None:
    script = """
import sys
sys.modules["onnxruntime"] = None  # as if it were not installed
from worker.image_classifier import load_image_classifier
from worker.settings import WorkerSettings
load_image_classifier(WorkerSettings())
load_image_classifier(WorkerSettings(image_classifier=sys.argv[1]))
"""
    command = [sys.executable, "-c", script, str(OPEN_NSFW)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{OPEN_NSFW} cannot be used: it needs onnxruntime: `pip install 'darkroom[classifier]'`" in done.stderr


def test_a_worker_with_a_classifier_that_cannot_be_used_says_so_and_is_not_started_again(
    redis_url: str, tmp_path: Path
) -> None:
    settings = {
        "DARKROOM_REDIS_URL": redis_url,
        "DARKROOM_DATA_DIR": str(tmp_path),
        "DARKROOM_WORKER_NAME": "classifier",
        "DARKROOM_IMAGE_CLASSIFIER": str(tmp_path / "none.onnx"),
    }
    script = """
import sys
from worker.__main__ import main
from worker.image_classifier import load_image_classifier
sys.exit(main(lambda _catalog, settings: load_image_classifier(settings)))  # what comes first, and without torch
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == os.EX_CONFIG
    assert f"{tmp_path}/none.onnx cannot be used: No such file or directory" in done.stderr
