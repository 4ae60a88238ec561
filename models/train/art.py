"""The Fluent emoji art as transparent pictures, read from two npm packages.

Knows where the art lies and what each picture is called; knows nothing of captions, styles or training.
`npm pack @lobehub/fluent-emoji-3d emojibase-data` in the run folder brings both archives.
"""

import io
import json
import tarfile
from pathlib import Path

from PIL import Image

OBJECTS = {
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
    "pizza": "pizza",
    "avocado": "avocado",
    "strawberry": "strawberry",
    "mushroom": "mushroom",
    "apple": "red apple",
    "rocket": "rocket",
    "house": "house",
    "car": "automobile",
    "tree": "deciduous tree",
    "tulip": "tulip",
    "star": "star",
    "heart": "red heart",
    "guitar": "guitar",
    "phone": "mobile phone",
    "balloon": "balloon",
    "crown": "crown",
    "robot": "robot",
}
"""Our word for an object -> its label in emojibase-data."""


def load_objects(folder: Path) -> dict[str, Image.Image]:
    """Every object of `OBJECTS` as an RGBA picture of 256 x 256, in the order of `OBJECTS`.

    `folder` holds the two archives as `npm pack` names them. Raises FileNotFoundError if either
    is missing, KeyError if the packages no longer hold an object.
    """
    names = _archive(folder, "emojibase-data-*.tgz")
    art = _archive(folder, "lobehub-fluent-emoji-3d-*.tgz")
    with tarfile.open(names) as archive:
        entries = json.loads(_read(archive, "package/en/data.json"))
    hexcode = {entry["label"]: entry["hexcode"].lower() for entry in entries}
    pictures = {}
    with tarfile.open(art) as archive:
        members = set(archive.getnames())
        for word, label in OBJECTS.items():
            code = hexcode[label]
            paths = [f"package/assets/{name}.webp" for name in (code, code.replace("-fe0f", ""), f"{code}-fe0f")]
            path = next((path for path in paths if path in members), None)
            if path is None:
                raise KeyError(f"{art.name} has no picture for {label!r} ({code})")
            pictures[word] = Image.open(io.BytesIO(_read(archive, path))).convert("RGBA")
    return pictures


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
