"""Prompts that training never saw: for measuring.

Half of them are phrased like captions, half in sentences of their own. Knows words; knows nothing of pictures.
"""

import random
from typing import NamedTuple

from models.train.art import LABELS
from models.train.compose import Content
from models.train.scenes import COLOURS, SCENES
from models.train.styles import STYLES
from models.train.words import COLOUR_NAMES, NAMES, SCENE_PHRASES, STYLE_PHRASES, plural, with_article

LONG_PROMPT = (
    "an ultra realistic cinematic photo of a pygmy hippo jaywalking through a neon lit downtown street at dusk"
)


class Prompt(NamedTuple):
    text: str
    content: Content
    name: str
    """How the object is named: `usual`, `synonym` or `plural`."""
    phrasing: str
    """`caption` or `own words`."""


def on_colours() -> list[Prompt]:
    """600: every object on every colour, the styles taking turns."""
    return _of_every_object(tuple(COLOURS), 7)


def in_scenes() -> list[Prompt]:
    """250: every object in every scene, the styles taking turns."""
    return _of_every_object(tuple(SCENES), 3)


def _of_every_object(backgrounds: tuple[str, ...], shift: int) -> list[Prompt]:
    """`shift` keeps what an object is called from going along with its background."""
    styles = tuple(STYLES)
    return [
        _prompt(random.Random(f"{name} {background}"), name, background, styles[(i + j) % len(styles)], i * shift + j)
        for i, name in enumerate(LABELS)
        for j, background in enumerate(backgrounds)
    ]


def of_pairs(count: int = 200) -> list[Prompt]:
    """Two different objects each, on colours, in every style."""
    rng = random.Random("held pairs")
    prompts = []
    for index in range(count):
        first, second = rng.sample(tuple(LABELS), 2)
        colour, style = rng.choice(tuple(COLOURS)), tuple(STYLES)[index % len(STYLES)]
        both = rng.choice(
            (
                f"{with_article(first)} and {with_article(second)}",
                f"{with_article(first)} next to {with_article(second)}",
            )
        )
        prompts.append(
            Prompt(
                f"{both} on {with_article(colour)} background, {style}",
                Content((first, second), colour, style),
                "usual",
                "caption",
            )
        )
    return prompts


def _prompt(rng: random.Random, name: str, background: str, style: str, turn: int) -> Prompt:
    kind = ("usual", "usual", "synonym", "plural")[turn % 4]
    noun = rng.choice(NAMES[name][1:]) if kind == "synonym" else NAMES[name][0]
    thing = plural(noun) if kind == "plural" else with_article(noun)
    how = rng.choice(STYLE_PHRASES[style])
    if background in COLOURS:
        colour = COLOUR_NAMES[background][0]
        where, around = f"on {with_article(colour)} background", f"{colour} background"
    else:
        where = around = SCENE_PHRASES[background][0]
    own = turn // 4 % 2 == 1
    text = rng.choice(
        (
            f"please draw me {thing} {where} as {with_article(how)}",
            f"my favourite {how}: {thing}, {around}, highly detailed",
            f"{how} showing {thing} {where}, masterpiece",
            f"{around}, {how}, {thing}, best quality, 4k",
        )
        if own
        else (f"{with_article(how)} of {thing} {where}", f"{thing} {where}, {how}", f"{how}, {thing}, {around}")
    )
    content = Content((name, name) if kind == "plural" else (name,), background, style)
    return Prompt(text, content, kind, "own words" if own else "caption")
