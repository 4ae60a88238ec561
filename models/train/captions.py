"""Captions: the many ways to ask for one picture, and words around them that mean nothing.

Knows what is on a picture and the words for it; knows nothing of pixels or tokens.
"""

import random
import re

from models.train.compose import Content
from models.train.scenes import COLOURS
from models.train.words import COLOUR_NAMES, FILLERS, NAMES, SCENE_PHRASES, STYLE_PHRASES, plural, with_article

LEFT_OUT = {"objects": 0.05, "background": 0.12, "style": 0.06}
"""How often a part goes unsaid. Then the model learns what it is alone: that is what a negative prompt stands on."""
PHOTO_UNSAID = 0.3
FILLED = 0.3
"""How many captions have words in them that mean nothing."""

SINGLE = ("{a}", "{a}", "{bare}", "the {bare}", "one {bare}")
TWICE = ("{many}", "two {many}", "a pair of {many}", "some {many}")
PAIR = ("{a} and {b}", "{a} and {b}", "{a} next to {b}", "{a} with {b}", "{a} beside {b}", "{a}, {b}")
ON_A_COLOUR = (
    "on a {colour} background",
    "on a {colour} background",
    "with a {colour} background",
    "against a {colour} background",
    "{colour} background",
    "in front of a {colour} wall",
    "on {colour}",
    "{colour} backdrop",
)
SENTENCES = (
    "{a_style} of {thing} {ground}",
    "{a_style} of {thing} {ground}",
    "{style} of {thing} {ground}",
    "{thing} {ground} in the style of {a_style}",
    "{thing} as {a_style}, {ground}",
    "{a_style} {bare} {ground}",
    "{thing}, {ground}, {style}",
    "{thing} {ground}, {style}",
    "{thing} {ground}, {style} style",
    "{style}, {thing}, {ground}",
    "{ground}, {thing}, {style}",
)
OF_NO_STYLE = ("{thing} {ground}", "{thing} {ground}", "{thing}, {ground}", "{ground}, {thing}")
OF_NO_OBJECT = ("{style} {ground}", "{a_style} {ground}", "{style}, {ground}", "{ground}, {style}")
TEMPLATES = (*SINGLE, *TWICE, *PAIR, *ON_A_COLOUR, *SENTENCES, *OF_NO_STYLE, *OF_NO_OBJECT)


def caption(content: Content, rng: random.Random, *, unsaid_is_photo: bool) -> str:
    """One way to ask for the picture, or for a part of it. What names no style may be of any, or is a photo."""
    bare, thing = _objects(content.objects, rng) if rng.random() > LEFT_OUT["objects"] else ("", "")
    ground = _background(content.background, rng) if rng.random() > LEFT_OUT["background"] else ""
    unsaid = PHOTO_UNSAID if content.style == "photo" else 0 if unsaid_is_photo else LEFT_OUT["style"]
    style = rng.choice(STYLE_PHRASES[content.style]) if rng.random() > unsaid else ""
    templates = OF_NO_STYLE if not style else SENTENCES if thing else OF_NO_OBJECT
    a_style = with_article(style) if style else ""
    text = rng.choice(templates).format(thing=thing, bare=bare, ground=ground, style=style, a_style=a_style)
    return ", ".join(" ".join(part.split()) for part in text.split(",") if part.strip())


def with_fillers(text: str, words: list[str], rng: random.Random) -> str:
    """The caption, now and then with one to seven of `words`, of FILLERS and of letters at random in it."""
    if rng.random() > FILLED:
        return text
    parts = text.split()
    for _ in range(rng.randint(1, 7)):
        letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 7)))
        (word,) = rng.choices((rng.choice(FILLERS), rng.choice(words), letters), (5, 4, 1))
        parts.insert(rng.randint(0, len(parts)), word)
    return " ".join(parts)


def meaningful_words() -> set[str]:
    """Every word that a caption may hold without its fillers."""
    tables = (COLOUR_NAMES, SCENE_PHRASES, STYLE_PHRASES, NAMES)
    phrases = [phrase for table in tables for row in table.values() for phrase in row]
    phrases += [plural(name) for row in NAMES.values() for name in row]
    phrases += [re.sub("{.*?}", "", template) for template in TEMPLATES]
    return {word for phrase in phrases for word in re.findall("[a-z]+", phrase)} | {"an"}


def _objects(names: tuple[str, ...], rng: random.Random) -> tuple[str, str]:
    """The objects without their articles, and in one of the ways to name them."""
    words = [_name(name, rng) for name in names]
    if len(names) == 1:
        return words[0], rng.choice(SINGLE).format(a=with_article(words[0]), bare=words[0])
    if names[0] == names[1]:
        many = plural(words[0])
        return many, rng.choice(TWICE).format(many=many)
    bare = f"{words[0]} and {words[1]}"
    if rng.random() < 0.2:
        return bare, rng.choice(PAIR).format(a=words[0], b=words[1])
    return bare, rng.choice(PAIR).format(a=with_article(words[0]), b=with_article(words[1]))


def _name(name: str, rng: random.Random) -> str:
    usual, *others = NAMES[name]
    return usual if rng.random() < 0.5 else rng.choice(others)


def _background(name: str, rng: random.Random) -> str:
    if name not in COLOURS:
        return rng.choice(SCENE_PHRASES[name])
    usual, *others = COLOUR_NAMES[name]
    colour = rng.choice(others) if others and rng.random() < 0.25 else usual
    return rng.choice(ON_A_COLOUR).format(colour=colour)
