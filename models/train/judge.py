"""A small classifier that tells what is on a picture. It judges what `pocket` draws, and is trained on none of it.

`python -m models.train.judge` trains it on the composed pictures, resumes from `judge.pt` in the run folder and
prints how often it is right on pictures composed afresh. Knows pixels and names; knows nothing of captions.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.train.art import LABELS, load_objects
from models.train.autoencoder import to_values
from models.train.compose import BACKGROUNDS, SIZE, Content, compose, draw_contents, pictures_of
from models.train.styles import STYLES
from models.train.training import read_options, train_steps

OBJECTS = tuple(LABELS)
STYLE_NAMES = tuple(STYLES)
SAVE_EVERY = 500
"""Steps."""


class Judge(nn.Module):
    """(N, 3, 128, 128) in [-1, 1] -> logits of each object's presence, of the background and of the style."""

    def __init__(self) -> None:
        super().__init__()
        widths = (32, 64, 96, 128, 192)
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            if before != 3:
                layers += [nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.heads = nn.Linear(2 * widths[-1], len(OBJECTS) + len(BACKGROUNDS) + len(STYLE_NAMES))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        features = self.features(pictures)
        logits: torch.Tensor = self.heads(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))
        return logits


@dataclass(frozen=True)
class Verdict:
    """What the judge sees on a picture; of each object how likely it is there, likeliest first."""

    objects: tuple[tuple[str, float], ...]
    background: str
    style: str

    def sees(self, content: Content) -> bool:
        """One object: it is the likeliest. Two: they are the likeliest two."""
        return self.likeliest(content) == set(content.objects)

    def likeliest(self, content: Content) -> set[str]:
        """As many objects as `content` has different ones."""
        return {name for name, _ in self.objects[: len(set(content.objects))]}


def _split(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    objects, backgrounds, styles = logits.float().split([len(OBJECTS), len(BACKGROUNDS), len(STYLE_NAMES)], 1)
    return objects, backgrounds, styles


@torch.no_grad()
def judge(model: nn.Module, pictures: np.ndarray) -> list[Verdict]:
    """(N, H, W, 3) uint8 of any size."""
    verdicts = []
    for start in range(0, len(pictures), 64):
        values = to_values(pictures[start : start + 64], torch.device("cpu"))
        values = (
            functional.interpolate(values, (SIZE, SIZE), mode="area") if values.shape[2:] != (SIZE, SIZE) else values
        )
        for objects, background, style in zip(*_split(model(values)), strict=True):
            likely = sorted(zip(OBJECTS, objects.sigmoid().tolist(), strict=True), key=lambda pair: -pair[1])
            verdicts.append(
                Verdict(tuple(likely[:4]), BACKGROUNDS[int(background.argmax())], STYLE_NAMES[int(style.argmax())])
            )
    return verdicts


def load_judge(folder: Path) -> nn.Module:
    """The averaged weights of `judge.pt`."""
    average = AveragedModel(Judge(), use_buffers=True)
    average.load_state_dict(torch.load(folder / "judge.pt", weights_only=True, map_location="cpu")["average"])
    return average.module.eval()


def held_renders(folder: Path, count: int) -> tuple[np.ndarray, list[Content]]:
    """Pictures composed afresh, of seeds that no training picture has."""
    art, rng = load_objects(folder), random.Random("held")
    contents = draw_contents(rng, 1, count)[:count]
    return np.stack([np.asarray(compose(content, art, rng, (SIZE, SIZE))) for content in contents]), contents


def train(folder: Path, steps: int, batch_size: int, peak: float, device: torch.device) -> None:
    pictures, contents = pictures_of(folder, (SIZE, SIZE))
    torch.manual_seed(0)
    model = Judge().to(device)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=1e-2)
    # Small things are the hard ones, and of two each is small: three quarters of a batch are pairs.
    pairs = np.array([len(content.objects) == 2 for content in contents])
    weights = np.where(pairs, 0.75 / pairs.sum(), 0.25 / (~pairs).sum())

    def loss_of_step(step: int) -> torch.Tensor:
        chosen = np.sort(np.random.default_rng(step).choice(len(pictures), batch_size, replace=False, p=weights))
        batch = _roughened(to_values(pictures[chosen], device), random.Random(step))
        return _loss(model(batch), [contents[index] for index in chosen])

    train_steps(
        folder / "judge.pt",
        model,
        average,
        optimizer,
        steps=steps,
        peak=peak,
        save_every=SAVE_EVERY,
        loss_of_step=loss_of_step,
    )


def _loss(logits: torch.Tensor, contents: list[Content]) -> torch.Tensor:
    objects, backgrounds, styles = _split(logits)
    present = torch.tensor([[float(name in content.objects) for name in OBJECTS] for content in contents])
    where = torch.tensor([BACKGROUNDS.index(content.background) for content in contents])
    how = torch.tensor([STYLE_NAMES.index(content.style) for content in contents])
    device = logits.device
    return (
        20 * functional.binary_cross_entropy_with_logits(objects, present.to(device))
        + functional.cross_entropy(backgrounds, where.to(device))
        + functional.cross_entropy(styles, how.to(device))
    )


def _roughened(batch: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """Moved, softened, brightened and noisy by chance: what matters is what is there, not how sharp it is."""
    batch = torch.roll(batch, (rng.randint(-8, 8), rng.randint(-8, 8)), (2, 3))
    if rng.random() < 0.4:
        small = functional.avg_pool2d(batch, 2)
        batch = functional.interpolate(small, scale_factor=2, mode="bilinear")
    if rng.random() < 0.5:
        batch = batch + rng.uniform(0, 0.12) * torch.randn_like(batch)
    return batch * rng.uniform(0.9, 1.1) + rng.uniform(-0.08, 0.08)


def main() -> None:
    args = read_options(__doc__, steps=4000, batch_size=64, learning_rate=2e-3)
    train(args.folder, args.steps, args.batch_size, args.learning_rate, args.device)
    pictures, contents = held_renders(args.folder, 2000)
    verdicts = judge(load_judge(args.folder), pictures)
    for part, right in score(verdicts, contents).items():
        print(f"held renders: {part} {right:.2%}")


def score(verdicts: list[Verdict], contents: list[Content]) -> dict[str, float]:
    """The share of pictures whose objects, background and style are the ones of their content."""
    pairs = list(zip(verdicts, contents, strict=True))
    return {
        "objects": sum(verdict.sees(content) for verdict, content in pairs) / len(pairs),
        "background": sum(verdict.background == content.background for verdict, content in pairs) / len(pairs),
        "style": sum(verdict.style == content.style for verdict, content in pairs) / len(pairs),
    }


if __name__ == "__main__":
    main()
