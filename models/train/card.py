"""Writes the model's card: `card.md`, with what the model was taught and what was measured.

Knows Markdown; measures nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from models.train.art import LABELS
from models.train.scenes import COLOURS, SCENES
from models.train.styles import STYLES

Found = Mapping[str, Any]
TEMPLATE = Path(__file__).with_name("card.md")


def write_card(folder: Path, found: Found) -> None:
    """`README.md` of `folder`."""
    card = Template(TEMPLATE.read_text()).substitute(
        object_count=len(LABELS),
        style_count=len(STYLES),
        objects=", ".join(LABELS),
        colours=", ".join(COLOURS),
        scenes=", ".join(SCENES),
        styles=", ".join(STYLES),
        measured=_text(found),
    )
    (folder / "README.md").write_text(card)


def _text(found: Found) -> str:
    return "\n\n".join(
        (
            _rights(found),
            _names(found["colours"]),
            _confused(found),
            _settings(found["settings"]),
            _negative(found["negative_prompts"]),
            _rest(found),
        )
    )


def _rights(found: Found) -> str:
    judge = found["judge"]
    rows = [
        ("one object on a colour", found["colours"]),
        ("one object in a scene", found["scenes"]),
        ("two objects on a colour", found["pairs"]),
    ]
    return _table(
        ("held prompts", "", "object", "background", "style"),
        [(name, str(part["prompts"]), *map(_percent, part["right"].values())) for name, part in rows]
        + [("the judge itself, on held renders", "2000", *map(_percent, judge.values()))],
    )


def _names(part: Found) -> str:
    groups = part["object_by_name"] | part["object_by_phrasing"] | part["object_by_style"]
    return "Object right, by how it is named, how the prompt is phrased, and style:\n\n" + _table(
        tuple(groups), [tuple(map(_percent, groups.values()))]
    )


def _confused(found: Found) -> str:
    lines = [
        f"- {what} ({name}): " + ", ".join(f"{pair} {count}" for pair, count in found[name]["confused"][what])
        for name in ("colours", "scenes", "pairs")
        for what in ("object", "background", "style")
        if found[name]["confused"][what]
    ]
    return "What is taken for what:\n\n" + "\n".join(lines)


def _settings(settings: Found) -> str:
    columns = ("object", "background", "style", "sharpness", "burnt")
    texts = []
    for name, title in (("steps", "Steps"), ("guidance", "Guidance"), ("sizes", "Size")):
        rows = [
            (value, *(_percent(row[key]) for key in columns[:3]), str(row["sharpness"]), _percent(row["burnt"]))
            for value, row in settings[name].items()
        ]
        texts.append(_table((title, *columns), rows))
    return (
        f"On {settings['prompts']} of the prompts. Sharpness is the mean difference of neighbouring pixels, burnt the "
        "share of colour values at either end:\n\n" + "\n\n".join(texts)
    )


def _negative(found: Found) -> str:
    columns = ("before", "after", "object")
    means = {key: sum(row[key] for row in found.values()) / len(found) for key in columns}
    rows = [(pair, *(_percent(row[key]) for key in columns)) for pair, row in {**found, "on average": means}.items()]
    return _table(("prompt; negative prompt", "that colour before", "after", "the object after"), rows)


def _rest(found: Found) -> str:
    speed, again = found["speed"], found["reconstruction"]
    styles = ", ".join(f"{style} {value}" for style, value in again["by_style"].items())
    return (
        f"The long prompt of a jaywalking hippo gives a hippo with {_percent(found['long_prompt'])} of 100 seeds. "
        f"A picture of 20 steps takes {speed['seconds_an_image']} s on {speed['threads']} CPU cores, loading "
        f"{speed['load_seconds']} s; the weights are {speed['safetensors_bytes'] / 1e6:.1f} MB. What the "
        f"autoencoder makes of a picture is at {again['psnr']} dB of it ({styles}):\n\n"
        "![composed pictures above their reconstructions](reconstruction.jpg)"
    )


def _percent(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
