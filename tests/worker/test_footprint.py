import json
import shutil
from pathlib import Path

import pytest

from contract.errors import CatalogError
from tests.worker.drawing import CATALOG
from worker.footprint import read_footprint

POCKET = CATALOG.default
WHOLE = read_footprint(POCKET, Path(POCKET.source))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(POCKET.source, tmp_path / "pocket")


def test_a_safety_checker_that_a_model_ships_weighs_nothing(copy: Path) -> None:
    shutil.copytree(copy / "unet", copy / "safety_checker")
    index = copy / "model_index.json"
    shipped = json.loads(index.read_text()) | {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    index.write_text(json.dumps(shipped))
    assert read_footprint(POCKET, copy) == WHOLE


def test_a_component_without_the_variant_is_weighed_as_it_is(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".fp16.safetensors"))
    assert read_footprint(POCKET.model_copy(update={"variant": "fp16"}), copy) == WHOLE


def test_a_component_without_weights_is_named(copy: Path) -> None:
    (copy / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(CatalogError, match="is not whole: vae has no safetensors"):
        read_footprint(POCKET, copy)
