"""Draws the training pictures: one or two objects on a background in a style.

`python -m models.train.compose` writes, for each size, `pictures-128x128.npy` (uint8, N x height x width x 3)
and `contents-128x128.json` (what is on each) to the run folder. Captions are drawn afresh at training time, so
that one picture is seen under many phrasings. Knows nothing of words or networks.
"""

import argparse
import json
import random
from concurrent.futures import ProcessPoolExecutor
from itertools import product, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from models.train.art import LABELS, load_objects
from models.train.scenes import COLOURS, SCENES, draw_background
from models.train.styles import STYLES, Layers

SIZE = 128
EXTRA_SIZES = {(192, 128): 6000, (128, 192): 6000, (256, 256): 4000}
"""(width, height) -> how many pictures: enough to learn that a larger frame holds no more objects."""
RUN_FOLDER = Path(__file__).parent / "run"
BACKGROUNDS = (*COLOURS, *SCENES)
TEXTURES = 24
"""How many different washes and strokes there are."""


class Content(NamedTuple):
    """What is on a picture. Of two objects the first is on the left; twice the same is what a plural asks for."""

    objects: tuple[str, ...]
    background: str
    style: str


def compose(content: Content, art: dict[str, Image.Image], rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """An RGB picture of `size` (width, height): each object mirrored or not, of about one size, near its place."""
    width, height = size
    things = Image.new("RGBA", size)
    if len(content.objects) == 1:
        slots, scale = [(width / 2, height / 2)], min(width, height) * rng.uniform(0.72, 0.82)
    else:
        across = width >= height
        room = min(max(width, height) / 2, min(width, height))
        slots = [(width * part, height / 2) if across else (width / 2, height * part) for part in (0.27, 0.73)]
        scale = room * rng.uniform(0.84, 0.94)
    for name, (x, y) in zip(content.objects, slots, strict=True):
        side = int(scale)
        thing = art[name].resize((side, side), Image.Resampling.LANCZOS)
        if rng.random() < 0.5:
            thing = ImageOps.mirror(thing)
        slack = min(width, height) // 32
        corner = (int(x - side / 2) + rng.randint(-slack, slack), int(y - side / 2) + rng.randint(-slack, slack))
        things.alpha_composite(thing, (max(0, corner[0]), max(0, corner[1])))
    ground = draw_background(content.background, width, height, rng)
    layers = Layers(ground, things, COLOURS.get(content.background), rng.randrange(TEXTURES))
    return STYLES[content.style](layers)


def draw_contents(rng: random.Random, each: int, pairs: int) -> list[Content]:
    """Every object on every background in every style `each` times, and `pairs` pictures of two objects, shuffled."""
    contents = [Content((name,), *rest) for name, *rest in product(LABELS, BACKGROUNDS, STYLES)] * each
    contents += [random_pair(rng) for _ in range(pairs)]
    rng.shuffle(contents)
    return contents


def random_pair(rng: random.Random) -> Content:
    first, second = rng.choices(tuple(LABELS), k=2)
    return Content(
        (first, first if rng.random() < 0.15 else second), rng.choice(BACKGROUNDS), rng.choice(tuple(STYLES))
    )


def pictures_of(folder: Path, size: tuple[int, int]) -> tuple[np.ndarray, list[Content]]:
    """The pictures of one size, read from the disk where they are touched, and what is on each."""
    width, height = size
    contents = json.loads((folder / f"contents-{width}x{height}.json").read_text())
    pictures = np.load(folder / f"pictures-{width}x{height}.npy", mmap_mode="r")
    return pictures, [Content(tuple(objects), background, style) for objects, background, style in contents]


def _shard(folder: Path, contents: list[Content], size: tuple[int, int], seed: int) -> np.ndarray:
    art, rng = load_objects(folder), random.Random(seed)
    return np.stack([np.asarray(compose(content, art, rng, size)) for content in contents])


def write_pictures(folder: Path, contents: list[Content], size: tuple[int, int], processes: int) -> None:
    """The pictures of one size and what is on each, where they are missing."""
    width, height = size
    path = folder / f"pictures-{width}x{height}.npy"
    if path.exists():
        return
    starts = range(0, len(contents), 500)
    part = path.with_suffix(".part")
    pictures = np.lib.format.open_memmap(part, "w+", np.uint8, (len(contents), height, width, 3))
    with ProcessPoolExecutor(processes) as pool:
        shards = pool.map(
            _shard, repeat(folder), [contents[start : start + 500] for start in starts], repeat(size), starts
        )
        for start, shard in zip(starts, shards, strict=True):
            pictures[start : start + len(shard)] = shard
    pictures.flush()
    (folder / f"contents-{width}x{height}.json").write_text(json.dumps(contents))
    part.replace(path)
    print(f"{path}: {len(contents)} pictures", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=RUN_FOLDER, help="holds the npm archives; the pictures go there too"
    )
    parser.add_argument("--each", type=int, default=9, help="pictures per object, background and style")
    parser.add_argument("--pairs", type=int, default=24_000, help="pictures of two objects")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    rng = random.Random(0)
    write_pictures(args.folder, draw_contents(rng, args.each, args.pairs), (SIZE, SIZE), args.processes)
    for size, count in EXTRA_SIZES.items():
        write_pictures(args.folder, draw_contents(rng, 1, 2400)[:count], size, args.processes)


if __name__ == "__main__":
    main()
