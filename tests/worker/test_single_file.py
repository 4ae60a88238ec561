"""Models that come as one checkpoint file, in the original names: drawn offline, the same as from their folders."""

import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from contract.errors import CatalogError
from contract.model import Model
from contract.model_catalog import ModelCatalog, read_model_catalog
from contract.parameters import GenerationRequest
from contract.rung import Rung
from tests.random_models import component, component_config, write_model
from tests.random_weights import write_sparse
from tests.single_file import (
    FILE_KINDS,
    PREFIXES,
    FileKind,
    original_tensors,
    unused_tensors,
    write_single_file,
    write_source,
)
from tests.worker.drawing import CARD, CPU, bytes_of, denoiser, difference, draw_with, ignore
from tests.worker.test_kinds import ENTRIES, local
from worker.footprint import read_footprint
from worker.memory_plan import Layout
from worker.model_files import check_local_sources
from worker.pipeline import Setup, load_pipeline

FLOAT32 = Setup(Layout.CPU, "cpu", torch.float32, torch.float32)
MIXED = Setup(Layout.CPU, "cpu", torch.bfloat16, torch.float32)
ASKED = GenerationRequest(prompt="a fox", width=64, height=64, num_inference_steps=2, num_images_per_prompt=2)


@dataclass(frozen=True)
class Checkpoint:
    """The same tiny model as a diffusers folder and as a file."""

    kind: FileKind
    source: Path
    file: Path

    @property
    def config(self) -> Path:
        return self.file.parent / "config"

    @property
    def of_folder(self) -> Model:
        return self._entry(self.source)

    @property
    def of_file(self) -> Model:
        return self._entry(self.file, config=str(self.config))

    def _entry(self, source: Path, **changes: object) -> Model:
        """With one scheduler: to try them all takes longer than to load a model this small."""
        scheduler = ENTRIES[self.kind]["defaults"]["scheduler"]
        return local(self.kind, source, variant=None, schedulers=(scheduler,), **changes)


def write_checkpoint(folder: Path, kind: FileKind) -> Checkpoint:
    source = write_source(folder / "source", kind)
    return Checkpoint(kind, source, write_single_file(folder, kind, source))


@pytest.fixture(scope="module", params=FILE_KINDS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"), request.param)


@pytest.fixture
def sd15(tmp_path: Path) -> Checkpoint:
    """One to spoil."""
    return write_checkpoint(tmp_path, "sd15")


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that this process asks for. Not by an OSError: the hub's client tries again after one."""
    hosts: list[str] = []

    def look_up(host: object, *_: object, **__: object) -> None:
        hosts.append(str(host))
        raise AssertionError(f"asked for {host}")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return hosts


@pytest.mark.parametrize("setup", [FLOAT32, MIXED], ids=["float32", "mixed"])
def test_every_weight_of_a_file_arrives_where_the_folder_has_it(checkpoint: Checkpoint, setup: Setup) -> None:
    of_folder = load_pipeline(checkpoint.of_folder, checkpoint.source, setup).pipeline
    of_file = load_pipeline(checkpoint.of_file, checkpoint.file, setup).pipeline
    assert type(of_file) is type(of_folder)
    for name in PREFIXES[checkpoint.kind]:
        expected, loaded = getattr(of_folder, name).state_dict(), getattr(of_file, name).state_dict()
        assert loaded.keys() == expected.keys(), name
        differing = [key for key in expected if not _same(loaded[key], expected[key])]
        assert not differing, name


def _same(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    return tensor.dtype is other.dtype and torch.equal(tensor, other)


def test_a_file_draws_the_same_picture_as_its_folder(tmp_path: Path, checkpoint: Checkpoint) -> None:
    drawn = []
    for model in (checkpoint.of_folder, checkpoint.of_file):
        draw = denoiser(tmp_path, CPU, ModelCatalog([model]))
        drawn.append(bytes_of(draw(model.complete(ASKED, seed=1), ignore)))
    of_folder, of_file = drawn
    assert of_file == of_folder
    assert len(set(of_file)) == 2


def test_a_file_is_drawn_the_same_on_every_rung(tmp_path: Path, checkpoint: Checkpoint) -> None:
    model = checkpoint.of_file
    on_card = denoiser(tmp_path, CARD, ModelCatalog([model])).planned(model)
    parameters = model.complete(ASKED, seed=1)
    drawn = {}
    for rung in (Rung.ON_DEVICE, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD):
        on_card.ladder = (rung,)
        drawn[rung] = draw_with(on_card, CARD, parameters)
        assert difference(drawn[rung], drawn[Rung.ON_DEVICE]) <= 1, rung


ENTRY = """
[[models]]
id = "from-a-file"
source = "{name}/model.safetensors"
schedulers = ["Euler"]
config = "{name}/config"
defaults = {{ width = 64, height = 64, num_inference_steps = 2, guidance_scale = 5.0, scheduler = "Euler" }}
limits = {{ pixels = 4096, num_inference_steps = 10, num_images_per_prompt = 2 }}
"""


def test_an_entry_of_models_toml_is_drawn_from_its_file(tmp_path: Path, checkpoint: Checkpoint) -> None:
    folder = checkpoint.file.parent
    catalog_path = folder.parent / f"{checkpoint.kind}.toml"
    catalog_path.write_text(ENTRY.format(name=folder.name))
    catalog = read_model_catalog(catalog_path)
    check_local_sources(catalog, catalog_path)
    steps: list[tuple[int, int]] = []
    draw = denoiser(tmp_path, CPU, catalog)
    draw.warm_up()
    drawn = draw(catalog.default.complete(ASKED, seed=1), lambda step, total, _: steps.append((step, total)))
    assert [image.size for image in drawn.images] == [(64, 64), (64, 64)]
    assert steps[-1] == (2, 2)
    state = draw.report()["from-a-file"]
    assert (state.state, state.can_run, state.rung) == ("warm", True, Rung.CPU)


def test_nothing_is_asked_of_the_hub(checkpoint: Checkpoint, looked_up: list[str]) -> None:
    read_footprint(checkpoint.of_file, checkpoint.file)
    load_pipeline(checkpoint.of_file, checkpoint.file, FLOAT32)
    assert looked_up == []
    with pytest.raises(AssertionError, match=r"asked for .*huggingface\.co"):
        huggingface_hub.hf_hub_download("someone/model", "model_index.json")


def test_a_safety_checker_that_the_config_names_is_neither_loaded_nor_asked_for(
    sd15: Checkpoint, looked_up: list[str]
) -> None:
    index = json.loads((sd15.config / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = True
    (sd15.config / "model_index.json").write_text(json.dumps(index))
    assert load_pipeline(sd15.of_file, sd15.file, FLOAT32).pipeline.safety_checker is None
    assert looked_up == []


TENSORS: dict[FileKind, int] = {"sd15": 1131, "sdxl": 2515}
"""In the published files, without a mean and a sampler's buffers."""
BUFFERS = {"text_encoder": 77, "text_encoder_2": 1}
"""Elements that a file counts and a folder does not: the positions' numbers, and the scale of CLIP's training."""


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_full_size_file_weighs_what_its_folder_weighs_part_by_part(tmp_path: Path, kind: FileKind) -> None:
    configs = {part: component_config(kind, part, "full") for part in PREFIXES[kind]}
    states = {part: component(kind, part, "full").state_dict() for part in configs}
    tensors = original_tensors(kind, configs, states) | unused_tensors(kind, states["unet"])
    assert sum(name.startswith(tuple(PREFIXES[kind].values())) for name in tensors) == TENSORS[kind]
    folder = write_model(tmp_path / "config", kind, "full", "sparse")
    file = tmp_path / "model.safetensors"
    write_sparse(file, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, torch.float16)
    checkpoint = Checkpoint(kind, folder, file)
    of_folder = read_footprint(checkpoint.of_folder, folder)
    of_file = read_footprint(checkpoint.of_file, file)
    assert {name: part.parameters - BUFFERS.get(name, 0) for name, part in of_file.parts.items()} == {
        name: part.parameters for name, part in of_folder.parts.items()
    }
    assert {name: part.largest for name, part in of_file.parts.items()} == {
        name: part.largest for name, part in of_folder.parts.items()
    }
    assert replace(of_file, parts={}) == replace(of_folder, parts={})


def _cut_short(checkpoint: Checkpoint) -> None:
    checkpoint.file.write_bytes(checkpoint.file.read_bytes()[:-1])


def _without_index(checkpoint: Checkpoint) -> None:
    (checkpoint.config / "model_index.json").unlink()


@pytest.mark.parametrize("read", [read_footprint, partial(load_pipeline, setup=FLOAT32)], ids=["weighed", "loaded"])
@pytest.mark.parametrize("spoil", [_cut_short, _without_index])
def test_a_file_that_is_cut_short_or_a_config_without_an_index_names_the_model(
    sd15: Checkpoint, spoil: Callable[[Checkpoint], None], read: Callable[[Model, Path], object]
) -> None:
    spoil(sd15)
    with pytest.raises(CatalogError, match=r"model 'sd15': .*/model\.safetensors (is not whole|cannot be loaded): "):
        read(sd15.of_file, sd15.file)


def _drop(beginning: str) -> Callable[[Checkpoint], None]:
    def spoil(checkpoint: Checkpoint) -> None:
        tensors = {name: tensor.clone() for name, tensor in load_file(checkpoint.file).items()}
        save_file({name: tensors[name] for name in tensors if not name.startswith(beginning)}, checkpoint.file)

    return spoil


def _without_tokenizer(checkpoint: Checkpoint) -> None:
    shutil.rmtree(checkpoint.config / "tokenizer")


CLIP = "cond_stage_model.transformer.text_model."


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_drop("cond_stage_model."), "is not whole: it holds no text_encoder"),
        (_drop("first_stage_model."), "is not whole: it holds no vae"),
        (_drop(CLIP + "embeddings.position_embedding."), "cannot be loaded: Failed to load CLIPTextModel"),
        (_drop(CLIP + "final_layer_norm.weight"), r"cannot be loaded: text_encoder lacks .*final_layer_norm\.weight"),
        (_drop("model.diffusion_model.out.2.bias"), "cannot be loaded: "),
        (_without_tokenizer, "cannot be loaded: tokenizer has no vocabulary"),
    ],
    ids=["text encoder", "vae", "positions", "norm", "unet's bias", "tokenizer"],
)
def test_what_a_file_or_its_config_lacks_is_told(
    tmp_path: Path, sd15: Checkpoint, spoil: Callable[[Checkpoint], None], reason: str
) -> None:
    spoil(sd15)
    with pytest.raises(CatalogError, match=rf"model 'sd15': .*{reason}"):
        denoiser(tmp_path, CPU, ModelCatalog([sd15.of_file])).warm_up()
