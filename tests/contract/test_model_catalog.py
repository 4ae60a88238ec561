from pathlib import Path

import pytest

from contract.errors import CatalogError, ParametersRefused
from contract.model_catalog import read_model_catalog

ROOT = Path(__file__).parents[2]
ENTRY = """
[[models]]
id = "tiny"
source = "weights"
schedulers = ["DDIM"]
[models.defaults]
width = 64
height = 64
num_inference_steps = 5
guidance_scale = 1.0
scheduler = "DDIM"
[models.limits]
pixels = 4096
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


def test_folders_and_files_are_looked_for_from_the_files_own_folder(tmp_path: Path) -> None:
    assert read_model_catalog(write(tmp_path, ENTRY)).default.source == str(tmp_path / "weights")
    single = ENTRY.replace('"weights"', '"/one/file.safetensors"\nconfig = "configuration"')
    model = read_model_catalog(write(tmp_path, single)).default
    assert (model.source, model.config) == ("/one/file.safetensors", str(tmp_path / "configuration"))


def test_a_hub_repository_stays_a_name(tmp_path: Path) -> None:
    hub = ENTRY.replace('"weights"', f'"owner/name"\nrevision = "{"0" * 40}"')
    assert read_model_catalog(write(tmp_path, hub)).default.source == "owner/name"


def commented_entries() -> str:
    """The shipped file with every entry that is commented out brought in."""
    lines = (ROOT / "models.toml").read_text().splitlines()
    return "\n".join(line.removeprefix("#: ") for line in lines)


def test_the_entries_that_are_shipped_commented_can_be_used_as_they_are(tmp_path: Path) -> None:
    catalog = read_model_catalog(write(tmp_path, commented_entries()))
    assert list(catalog.models) == [
        "pocket",
        "sd15",
        "sd-turbo",
        "sdxl",
        "sdxl-turbo",
        "ssd-1b",
        "lcm",
        "pixart-sigma",
        "flux-schnell",
    ]
    for model in list(catalog.models.values())[1:]:
        assert model.revision is not None
        assert model.licence is not None


def test_a_model_that_is_not_on_offer_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ParametersRefused, match="/model: must be one of tiny"):
        read_model_catalog(write(tmp_path, ENTRY)).choose("other")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no"),
        ("models = 1", "nothing but"),
        (ENTRY.replace("[[models]]", "[[model]]"), "nothing but"),
        ("[[models]", "line 1"),
        (ENTRY + ENTRY, "'tiny' is used more than once"),
        (ENTRY.replace("width = 64", "width = 63"), "model 'tiny': defaults.width: .*multiple of 8"),
        (ENTRY.replace('source = "weights"', ""), "model 'tiny': source: Field required"),
        (
            ENTRY.replace("num_inference_steps = 5", "num_inference_steps = 11"),
            "model 'tiny': defaults.num_inference_steps must be at most 10",
        ),
        (
            ENTRY.replace('scheduler = "DDIM"', 'scheduler = "Euler"'),
            "model 'tiny': defaults.scheduler is not in schedulers",
        ),
        (ENTRY.replace('"weights"', '"owner/name"\nrevision = "main"'), "model 'tiny': revision: "),
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
