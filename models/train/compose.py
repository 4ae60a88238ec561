"""Draws the training pictures: an object on a background colour in a style, and their captions.

`python -m models.train.compose` writes `pictures.npy` (uint8, N x 128 x 128 x 3) and `labels.json`
(object, colour and style of each) to the run folder. Captions are drawn afresh at training time,
so that one picture is seen under many phrasings. Knows nothing of networks.
"""

import argparse
import json
import random
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from models.train.art import OBJECTS, load_objects

SIZE = 128
RUN_FOLDER = Path(__file__).parent / "run"
COLOURS = {
    "red": (222, 52, 48),
    "orange": (245, 140, 40),
    "yellow": (250, 212, 60),
    "green": (62, 170, 82),
    "teal": (38, 168, 166),
    "blue": (58, 108, 228),
    "purple": (142, 82, 204),
    "pink": (250, 162, 202),
    "white": (248, 248, 248),
    "black": (22, 22, 26),
}
STYLES = {
    "photo": ("photo", "photograph", "3d render"),
    "watercolor": ("watercolor", "watercolor painting"),
    "oil painting": ("oil painting", "oil on canvas"),
    "pixel art": ("pixel art", "8-bit pixel art"),
    "pencil sketch": ("pencil sketch", "pencil drawing", "sketch"),
}
"""Style -> the phrases that captions use for it."""


def caption(subject: str, colour: str, style: str, rng: random.Random) -> str:
    """One way to ask for the picture. Now and then it leaves the background, or the style of a photo, unsaid."""
    article = "an" if subject[0] in "aeiou" else "a"
    thing = rng.choice((f"{article} {subject}", subject))
    phrase = rng.choice(STYLES[style])
    phrase_article = "an" if phrase[0] in "aeiou" else "a"
    ground = rng.choice((f"on a {colour} background", f"with a {colour} background", f"{colour} background"))
    if rng.random() < 0.08:
        ground = ""
    if style == "photo" and rng.random() < 0.2:
        return f"{thing} {ground}".strip()
    return rng.choice(
        (
            f"{phrase_article} {phrase} of {thing} {ground}",
            f"{phrase} of {thing} {ground}",
            f"{thing} {ground}, {phrase}",
            f"{thing} {ground}, {phrase} style",
            f"{phrase}, {thing}, {ground}",
        )
    ).strip(" ,")


def compose(picture: Image.Image, colour: str, style: str, rng: random.Random) -> Image.Image:
    """An RGB picture of SIZE x SIZE: mirrored or not, a little larger or smaller, a little off the centre."""
    side = int(SIZE * rng.uniform(0.74, 0.86))
    thing = picture.resize((side, side), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        thing = ImageOps.mirror(thing)
    slack = (SIZE - side) // 3
    place = tuple((SIZE - side) // 2 + rng.randint(-slack, slack) for _ in range(2))
    if style == "pencil sketch":
        return _sketch(thing, place, COLOURS[colour])
    ground = _background(COLOURS[colour])
    ground.paste(thing, place, thing)
    return {"photo": _photo, "watercolor": _watercolor, "oil painting": _oil, "pixel art": _pixels}[style](ground)


def _background(colour: tuple[int, int, int]) -> Image.Image:
    light = np.linspace(1.05, 0.92, SIZE)[:, None, None] * np.ones((1, SIZE, 1))
    return Image.fromarray(np.clip(light * np.array(colour, np.float32), 0, 255).astype(np.uint8))


def _photo(image: Image.Image) -> Image.Image:
    return image


def _watercolor(image: Image.Image) -> Image.Image:
    soft = image.filter(ImageFilter.GaussianBlur(0.8)).filter(ImageFilter.MedianFilter(5))
    faded = ImageEnhance.Color(soft).enhance(0.75)
    return Image.blend(faded, Image.new("RGB", image.size, (255, 255, 255)), 0.32)


def _oil(image: Image.Image) -> Image.Image:
    strokes = image.filter(ImageFilter.MedianFilter(7))
    return ImageEnhance.Color(ImageEnhance.Contrast(strokes).enhance(1.2)).enhance(1.3)


def _pixels(image: Image.Image) -> Image.Image:
    small = image.resize((SIZE // 4, SIZE // 4), Image.Resampling.BOX)
    return small.quantize(14).convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def _sketch(thing: Image.Image, place: tuple[int, ...], colour: tuple[int, int, int]) -> Image.Image:
    """Graphite on coloured paper; chalk where the paper is black."""
    page = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    page.paste(thing, place, thing)
    grey = ImageOps.autocontrast(ImageOps.grayscale(page))
    blurred = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(4))
    dodged = np.asarray(grey, np.float32) * 255 / (256 - np.asarray(blurred, np.float32))
    lines = Image.fromarray(np.clip(dodged, 0, 255).astype(np.uint8))
    strong = ImageOps.autocontrast(ImageChops.multiply(lines, lines), cutoff=1)
    ink = np.asarray(strong, np.float32)[:, :, None] / 255
    paper = np.array(colour, np.float32)
    graphite = np.array((235, 235, 235) if sum(colour) < 150 else (50, 50, 54), np.float32)
    return Image.fromarray((paper * ink + graphite * (1 - ink)).astype(np.uint8))


def _shard(folder: Path, labels: list[tuple[str, str, str]], seed: int) -> np.ndarray:
    objects, rng = load_objects(folder), random.Random(seed)
    return np.stack([np.asarray(compose(objects[o], c, s, rng)) for o, c, s in labels])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=RUN_FOLDER, help="holds the npm archives; the pictures go there too"
    )
    parser.add_argument("--each", type=int, default=12, help="pictures per object, colour and style")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    labels = [*product(OBJECTS, COLOURS, STYLES)] * args.each
    random.Random(0).shuffle(labels)
    shards = [labels[start : start + 600] for start in range(0, len(labels), 600)]
    with ProcessPoolExecutor(args.processes) as pool:
        pictures = np.concatenate([*pool.map(_shard, [args.folder] * len(shards), shards, range(len(shards)))])
    np.save(args.folder / "pictures.npy", pictures)
    (args.folder / "labels.json").write_text(json.dumps(labels))
    print(f"{len(pictures)} pictures in {args.folder}")


if __name__ == "__main__":
    main()
