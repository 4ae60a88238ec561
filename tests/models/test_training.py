"""A training that is interrupted ends with the weights of one that is not."""

import json
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from models.train import autoencoder, denoiser, judge, training
from models.train.compose import EXTRA_SIZES, SIZE, Content, compose
from models.train.export import assemble
from models.train.export import main as export
from models.train.training import set_learning_rate
from tests.models.art import shapes

STEPS = 4
ART = shapes("cat", "pizza")
CONTENTS = [Content(("cat",), "red", "photo"), Content(("cat", "pizza"), "dusk", "comic book")] * 4


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with pictures of every size."""
    folder = tmp_path_factory.mktemp("pictures")
    for width, height in ((SIZE, SIZE), *EXTRA_SIZES):
        rng, name = random.Random(0), f"{width}x{height}"
        drawn = [np.asarray(compose(content, ART, rng, (width, height))) for content in CONTENTS]
        np.save(folder / f"pictures-{name}.npy", np.stack(drawn))
        (folder / f"contents-{name}.json").write_text(json.dumps(CONTENTS))
    return folder


@pytest.fixture(autouse=True)
def few_words_and_no_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoiser, "common_words", lambda _: ["zebra", "tractor"])
    for trains in (autoencoder, denoiser):
        monkeypatch.setattr(trains, "show", lambda *_: None)


@pytest.fixture
def autoencoded(pictures: Path) -> Path:
    if not (pictures / "autoencoder").exists():
        autoencoder.train(pictures, 1, 2, 1e-3, torch.device("cpu"))
    return pictures


class Interrupted(Exception):
    pass


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["model"]
    return state


@pytest.mark.parametrize("trains", [autoencoder, denoiser, judge], ids=lambda module: module.__name__)
def test_an_interrupted_training_ends_like_one_in_one_piece(
    trains: ModuleType, autoencoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = autoencoded / f"{trains.__name__.rpartition('.')[2]}.pt"
    train: Callable[[], None] = lambda: trains.train(autoencoded, STEPS, 4, 1e-3, torch.device("cpu"))  # noqa: E731
    monkeypatch.setattr(trains, "SAVE_EVERY", 2)
    ended = path.with_suffix("")

    def start_anew() -> None:
        path.unlink(missing_ok=True)
        shutil.rmtree(ended, ignore_errors=True)

    start_anew()
    train()
    whole = weights(path)
    start_anew()

    def stop_at_the_last(optimizer: torch.optim.Optimizer, step: int, *rest: float) -> None:
        if step == STEPS - 1:
            raise Interrupted
        set_learning_rate(optimizer, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(training, "set_learning_rate", stop_at_the_last)
        with pytest.raises(Interrupted):
            train()
    assert torch.load(path, weights_only=True)["step"] == 2
    train()
    resumed = weights(path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_finished_autoencoder_is_not_trained_again(autoencoded: Path) -> None:
    (autoencoded / "autoencoder.pt").unlink()
    autoencoder.train(autoencoded, 1, 2, 1e-3, torch.device("cpu"))
    assert not (autoencoded / "autoencoder.pt").exists()


def test_an_autoencoder_that_was_begun_goes_on_from_there(autoencoded: Path) -> None:
    begun = autoencoder.load_autoencoder(autoencoded, torch.device("cpu")).state_dict()
    (autoencoded / "autoencoder").rename(autoencoded / "autoencoder-begun")
    (autoencoded / "autoencoder.pt").unlink(missing_ok=True)
    autoencoder.train(autoencoded, 1, 2, 0.0, torch.device("cpu"), begun="autoencoder-begun")
    shutil.rmtree(autoencoded / "autoencoder-begun")
    ended = autoencoder.load_autoencoder(autoencoded, torch.device("cpu")).state_dict()
    assert all(torch.equal(begun[name], ended[name]) for name in begun)
    assert str(autoencoded) not in (autoencoded / "autoencoder" / "config.json").read_text()


def test_each_step_has_random_numbers_of_its_own(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    drawn: list[float] = []

    def loss_of_step(_: int) -> torch.Tensor:
        drawn.append(torch.rand(1).item())
        return model(torch.ones(1)).sum()

    def train(name: str) -> list[float]:
        drawn.clear()
        optimizer = torch.optim.SGD(model.parameters(), 1)
        average = torch.optim.swa_utils.AveragedModel(model)
        path = tmp_path / name
        training.train_steps(
            path, model, average, optimizer, steps=5, peak=1e-3, save_every=9, loss_of_step=loss_of_step
        )
        return list(drawn)

    first = train("first.pt")
    assert len(set(first)) == 5
    assert train("second.pt") == first


def test_the_learning_rate_rises_stays_and_falls() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1)
    rates = []
    for step in range(10_000):
        set_learning_rate(optimizer, step, 10_000, 1e-3)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] < 1e-5
    assert rates[200] == rates[5_999] == 1e-3
    assert rates[8_000] == pytest.approx(0.51e-3)
    assert rates[-1] == pytest.approx(2e-5, rel=0.01)


def test_what_was_trained_is_an_ordinary_pipeline(autoencoded: Path) -> None:
    denoiser.train(autoencoded, 1, 4, 1e-3, torch.device("cpu"))
    image = assemble(autoencoded)("two cats", num_inference_steps=1, output_type="np").images[0]
    assert image.shape == (SIZE, SIZE, 3)
    assert np.isfinite(image).all()


def test_every_user_may_read_the_exported_weights(
    autoencoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser.train(autoencoded, 1, 4, 1e-3, torch.device("cpu"))
    monkeypatch.setattr("sys.argv", ["export", "--folder", str(autoencoded), "--out", str(tmp_path)])
    export()
    weights = list(tmp_path.rglob("*.safetensors"))
    assert [path.parent.name for path in sorted(weights)] == ["text_encoder", "unet", "vae"]
    assert all(path.stat().st_mode & stat.S_IROTH for path in weights)
