"""What `darkroom doctor` finds of the device and the models, as on this machine, and on ones with a card."""

import fcntl
from pathlib import Path

import pytest
import torch

from contract.finding import Finding
from contract.model_catalog import read_model_catalog
from tests.conftest import ROOT
from tests.fake_hub import COMMIT, REPOSITORY
from tests.worker.drawing import CATALOG, POCKET_BYTES
from tests.worker.test_models_command import POCKET, entry
from worker.device_checks import Build, driver_version, idle_card, look_at_device, threads, usable_cores
from worker.model_checks import look_at_models
from worker.name_lock import is_held, lock_file
from worker.settings import WorkerSettings

HERE = POCKET.replace('"models/pocket"', f'"{CATALOG.default.source}"')


@pytest.fixture(autouse=True)
def _no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def look(
    folder: Path, catalog: str, *, deep: bool = False, worker_here: bool = False, **settings: object
) -> list[Finding]:
    """Of models; without what is said of memory as a whole."""
    path = folder / "models.toml"
    path.write_text(catalog)
    chosen = WorkerSettings.model_validate({"device": "cpu", "models": path, "data_dir": folder, **settings})
    findings = look_at_models(read_model_catalog(path), chosen, deep=deep, worker_here=worker_here)
    return [each for each in findings if each.check != "memory"]


def test_a_model_that_can_be_drawn_with_is_told_with_its_rung_and_its_bytes() -> None:
    settings = WorkerSettings(device="cpu", models=ROOT / "models.toml")
    memory, model = look_at_models(CATALOG, settings, deep=False, worker_here=False)
    assert (memory.check, memory.verdict, "of the CPU's memory are free" in memory.found) == ("memory", "ok", True)
    assert model.found.startswith(f"pocket: {POCKET_BYTES / 2**20:.1f} MiB of weights, at most ")
    assert model.found.endswith("at its default size, on the rung cpu")


def test_a_deep_look_draws_with_it(tmp_path: Path) -> None:
    (model,) = look(tmp_path, HERE, deep=True)
    assert (model.verdict, "pocket: ok, 0.04 GiB on the rung cpu" in model.found) == ("ok", True)


def test_a_model_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    first, second = look(tmp_path, HERE + entry("hub", REPOSITORY))
    assert first.verdict == "ok"
    assert second.verdict == "warning"  # only its own jobs fail
    assert f"{REPOSITORY} is not on this machine" in second.found
    assert "darkroom models pull hub" in str(second.mend)
    (only,) = look(tmp_path, entry("hub", REPOSITORY, f'revision = "{COMMIT}"'))
    assert only.verdict == "wrong"  # no worker starts
    (later,) = look(tmp_path, entry("hub", REPOSITORY), allow_downloads=True)
    assert later.verdict == "ok"
    first, gone = look(tmp_path, HERE + entry("gone", "no/such/folder", ""))
    assert (first.verdict, gone.verdict) == ("ok", "wrong")
    assert "there is no folder" in gone.found


def test_a_model_without_room_is_wrong_unless_a_worker_here_holds_it(tmp_path: Path) -> None:
    (finding,) = look(tmp_path, HERE, device_memory_limit_bytes=1 << 20)
    assert (finding.verdict, "GiB are missing" in finding.found) == ("wrong", True)
    (finding,) = look(tmp_path, HERE, device_memory_limit_bytes=1 << 20, worker_here=True)
    assert finding.verdict == "skipped"


def test_a_classifier_that_cannot_be_used_is_told_and_the_models_are_looked_at(tmp_path: Path) -> None:
    classifier, model = look(tmp_path, HERE, image_classifier=tmp_path / "none.onnx")
    assert (classifier.check, classifier.verdict, model.verdict) == ("settings", "wrong", "ok")
    assert classifier.found.startswith("DARKROOM_IMAGE_CLASSIFIER: ")


def test_a_worker_is_known_by_the_lock_of_its_name(tmp_path: Path) -> None:
    settings = WorkerSettings(worker_name=f"doctor-{tmp_path.name}")
    assert not is_held(settings)
    with lock_file(settings) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_held(settings)
    assert not is_held(settings)
    Path(lock.name).unlink()


def test_what_computes_here_is_told() -> None:
    device, number = look_at_device(WorkerSettings(device="cpu"))
    assert (device.verdict, device.found) == ("ok", f"the CPU, with PyTorch {torch.__version__}")
    assert number.check == "threads"


def test_a_device_that_is_not_here_is_wrong() -> None:
    device, _ = look_at_device(WorkerSettings(device="mps" if torch.cuda.is_available() else "cuda"))
    assert (device.verdict, "finds no such device here" in device.found) == ("wrong", True)


def test_a_card_that_pytorch_cannot_use_is_told_with_the_build_that_could(tmp_path: Path) -> None:
    assert idle_card(Build("2.13.0+cpu", None, None)) is None
    without = idle_card(Build("2.13.0+cpu", None, "580.65.06"))
    assert without is not None
    assert without.verdict == "warning"
    assert "driver 580.65.06, and PyTorch 2.13.0+cpu is built without CUDA" in without.found
    assert "whl/cu130" in str(without.mend)
    older = idle_card(Build("2.13.0+cu130", "13.0", "470.256.02"))
    assert older is not None
    assert "for CUDA 13.0, cannot use it" in older.found
    assert "whl/cu126" in str(older.mend)
    told = tmp_path / "version"
    told.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:18:06 UTC 2025\nGCC 13.2.0\n"
    )
    assert driver_version(told) == "580.65.06"
    assert driver_version(tmp_path / "none") is None


def test_more_threads_than_cores_are_told(tmp_path: Path) -> None:
    assert threads(2, 2).verdict == "ok"
    assert threads(8, 1.5).mend == "OMP_NUM_THREADS=1"
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert usable_cores(quota) == 0.5
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "none") >= 1
