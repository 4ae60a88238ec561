"""`darkroom models`, as a user runs it, against a hub on this machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fake_hub import COMMIT, REPOSITORY, hub
from tests.random_models import add_safety_checker
from tests.worker.drawing import CATALOG

POCKET = (ROOT / "models.toml").read_text().split("# More models", 1)[0]


def entry(model_id: str, source: str, more: str = f'revision = "{COMMIT}"') -> str:
    text = POCKET.replace('id = "pocket"', f'id = "{model_id}"')
    return text.replace('source = "models/pocket"', f'source = "{source}"\n{more}')


def models(folder: Path, catalog: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code and what was printed, on both streams."""
    path = folder / "models.toml"
    path.write_text(catalog)
    settings = {
        "DARKROOM_MODELS": str(path),
        "DARKROOM_DATA_DIR": str(folder / "data"),
        "DARKROOM_DEVICE": "cpu",
        "HF_HOME": str(folder / "hub"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "darkroom", "models", *arguments],
        cwd=ROOT,
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The repository's files; with some that a text-to-image run does not need."""
    folder = shutil.copytree(CATALOG.default.source, tmp_path / "repository")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (folder / "huge.ckpt").write_bytes(b"pickle")
    return folder


def test_a_hub_model_is_pulled_with_a_progress_bar_and_then_drawn_with_offline(tmp_path: Path, source: Path) -> None:
    add_safety_checker(source, 1.0)
    catalog = entry("hub", REPOSITORY)
    with hub(source) as (address, asked):
        code, printed = models(tmp_path, catalog, "pull", "hub", HF_ENDPOINT=address)
    assert code == 0, printed
    assert re.search(r"hub: 10 million parameters in .*/snapshots/" + COMMIT, printed)
    assert re.search(r"\d+/\d+", printed)
    fetched = [request for request in asked if request.startswith("GET /someone")]
    for file in ("unet/diffusion_pytorch_model", "safety_checker/model"):
        assert any(f"{file}.safetensors" in request for request in fetched)
    assert not any(request.endswith((".bin", ".ckpt")) for request in fetched)
    code, printed = models(tmp_path, catalog, "check", "hub", HF_HUB_OFFLINE="1")
    assert code == 0, printed
    assert re.search(r"^hub: ok, 0\.04 GiB on the rung cpu, loaded and tried in \d", printed, re.MULTILINE)


def test_a_safety_checker_that_nobody_wants_is_not_pulled(tmp_path: Path, source: Path) -> None:
    add_safety_checker(source, 1.0)
    with hub(source) as (address, asked):
        off = {"HF_ENDPOINT": address, "DARKROOM_SAFETY_CHECKER": "false"}
        code, printed = models(tmp_path, entry("hub", REPOSITORY), "pull", "hub", **off)
    assert code == 0, printed
    assert not any("safety_checker/" in request for request in asked)


@pytest.mark.parametrize(
    ("repository", "revision", "reason"),
    [
        ("someone/else", COMMIT, "is not a repository on the hub that can be seen with this HF_TOKEN"),
        ("gated/model", COMMIT, "is gated: accept its licence on its page, then set HF_TOKEN"),
        (REPOSITORY, "f" * 40, f"has no revision {'f' * 40}"),
    ],
)
def test_what_the_hub_does_not_give_is_told_in_plain_words(
    tmp_path: Path, source: Path, repository: str, revision: str, reason: str
) -> None:
    with hub(source) as (address, _):
        code, printed = models(
            tmp_path, entry("hub", repository, f'revision = "{revision}"'), "pull", "hub", HF_ENDPOINT=address
        )
    assert code == 1
    assert f"hub: failed: model 'hub': {repository} {reason}" in printed
    assert "Traceback" not in printed


def test_a_hub_that_is_not_there_is_told_too(tmp_path: Path) -> None:
    code, printed = models(tmp_path, entry("hub", REPOSITORY), "pull", "hub", HF_HUB_OFFLINE="1")
    assert code == 1
    assert "the hub cannot be reached: connect once" in printed


def test_check_names_every_model_that_cannot_be_drawn_with(tmp_path: Path, source: Path) -> None:
    (source / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"spoiled")
    whole = entry("whole", CATALOG.default.source, "")
    catalog = whole + entry("spoiled", str(source), "") + entry("hub", REPOSITORY)
    code, printed = models(tmp_path, catalog, "check", HF_HUB_OFFLINE="1")
    assert code == 1
    assert re.search(r"^whole: ok", printed, re.MULTILINE)
    assert re.search(r"^spoiled: failed: model 'spoiled': .* is not whole", printed, re.MULTILINE)
    assert "hub: failed: model 'hub': someone/pocket is not on this machine: run `darkroom models pull hub`" in printed


def test_a_model_on_this_machine_has_nothing_to_fetch(tmp_path: Path) -> None:
    code, printed = models(tmp_path, entry("here", CATALOG.default.source, ""), "pull", "here")
    assert (code, "here: nothing to fetch" in printed) == (0, True)


@pytest.mark.parametrize(
    ("catalog", "reason"),
    [
        (entry("gone", "no/such/folder", ""), "model 'gone': source: there is no folder .*/no/such/folder; a hub"),
        (entry("empty", ".", ""), "model 'empty': source: .* holds no model_index.json"),
        (entry("hub", REPOSITORY, 'revision = "main"'), "model 'hub': revision: "),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_with_file_key_and_reason(
    tmp_path: Path, catalog: str, reason: str
) -> None:
    code, printed = models(tmp_path, catalog, "check")
    assert code == 2
    assert re.search(re.escape(str(tmp_path / "models.toml")) + ": " + reason, printed)


def test_an_id_that_is_not_on_offer_is_refused(tmp_path: Path) -> None:
    code, printed = models(tmp_path, POCKET.replace('"models/pocket"', f'"{CATALOG.default.source}"'), "pull", "other")
    assert code == 2
    assert "must be one of pocket" in printed
