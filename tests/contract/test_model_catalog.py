from pathlib import Path

import pytest

from contract.errors import CatalogError, ParametersRefused
from contract.model_catalog import read_model_catalog

ROOT = Path(__file__).parents[2]
ENTRY = """
[[models]]
id = "tiny"
source = "weights"
schedulers = ["DDIMScheduler"]
[models.defaults]
width = 64
height = 64
num_inference_steps = 5
guidance_scale = 1.0
scheduler = "DDIMScheduler"
[models.limits]
width = 64
height = 64
num_inference_steps = 10
num_images_per_prompt = 2
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_the_shipped_catalog_offers_pocket_by_default() -> None:
    catalog = read_model_catalog(ROOT / "models.toml")
    assert catalog.choose(None).id == "pocket"
    assert Path(catalog.default.source) == ROOT / "models" / "pocket"


def test_a_source_that_is_a_folder_beside_the_file_becomes_absolute(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    assert read_model_catalog(write(tmp_path, ENTRY)).default.source == str(tmp_path / "weights")


def test_any_other_source_is_left_as_it_is(tmp_path: Path) -> None:
    assert read_model_catalog(write(tmp_path, ENTRY)).default.source == "weights"


def test_a_model_that_is_not_on_offer_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ParametersRefused, match="/model: must be one of tiny"):
        read_model_catalog(write(tmp_path, ENTRY)).choose("other")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no"),
        ("models = 1", "holds no"),
        ("[[models]", "line 1"),
        (ENTRY + ENTRY, "'tiny' is used more than once"),
        (ENTRY.replace("width = 64", "width = 63"), "model 'tiny': defaults.width: .*multiple of 8"),
        (ENTRY.replace('source = "weights"', ""), "model 'tiny': source: Field required"),
        (ENTRY.replace("num_inference_steps = 5", "num_inference_steps = 11"), "above limits.num_inference_steps"),
        (ENTRY.replace('scheduler = "DDIMScheduler"', 'scheduler = "Other"'), "not in schedulers"),
        (ENTRY + "\n[models.extra]\nx = 1", "model 'tiny': extra: Extra inputs"),
    ],
)
def test_a_catalog_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(CatalogError, match=reason) as caught:
        read_model_catalog(write(tmp_path, text))
    assert str(tmp_path / "models.toml") in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"none\.toml"):
        read_model_catalog(tmp_path / "none.toml")
