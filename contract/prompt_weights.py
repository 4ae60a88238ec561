"""The brackets of a prompt that weighs its words, in AUTOMATIC1111's notation.

`(words)` weigh 1.1 times as much, `[words]` 1 / 1.1, `(words:1.3)` 1.3; brackets in brackets multiply, and one that is
never closed reaches to the end. `\\(` and the like are plain brackets, and so are those that open in 20 others. Knows
text alone: nothing of tokens or encoders.
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

MAX_WEIGHT = 3.0
"""From about 1.6 on pictures fall apart, says compel; this leaves room for what nests."""

_MOST_OPEN = 20
"""Brackets in brackets: the time that a prompt takes grows with them."""
_FACTORS = {"(": 1.1, "[": 1 / 1.1}
"""From the web UI's own parser, modules/prompt_parser.py."""
_NUMBER = re.compile(r":\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\)")
_TOKEN = re.compile(rf"\\[()\[\]]|{_NUMBER.pattern}|[^\\:()\[\]]+|.", re.DOTALL)


class Piece(NamedTuple):
    """Words that weigh alike."""

    text: str
    weight: float


def pieces_of(prompt: str, *, weighs: bool) -> Sequence[Piece]:
    """The words as an encoder reads them; where brackets do not weigh they are text, and all of it is one piece."""
    return weighted_pieces(prompt) if weighs else (Piece(prompt, 1.0),)


@lru_cache(maxsize=32)  # the cells of a grid share theirs
def weighted_pieces(prompt: str) -> tuple[Piece, ...]:
    """The text without its brackets; what lies beside each other has different weights, and no piece is empty."""
    tokens = [match[0] for match in _TOKEN.finditer(prompt)]
    factors, ends = _pairs(tokens)
    open_factors: dict[int, float] = {}
    pieces: list[Piece] = []
    for index, token in enumerate(tokens):
        if index in factors:
            open_factors[index] = factors[index]
        elif index in ends:
            del open_factors[ends[index]]
        else:
            text = token[1:] if len(token) == 2 and token[0] == "\\" else token
            _append(pieces, Piece(text, math.prod(open_factors.values(), start=1.0)))
    return tuple(pieces)


def has_weight_out_of_range(prompt: str) -> bool:
    """Whether words of it weigh less than nothing, or more than MAX_WEIGHT."""
    return not all(0 <= piece.weight <= MAX_WEIGHT for piece in weighted_pieces(prompt))


def _pairs(tokens: list[str]) -> tuple[dict[int, float], dict[int, int]]:
    """What each opening bracket multiplies by, and which one each closing bracket ends; others are text."""
    factors: dict[int, float] = {}
    ends: dict[int, int] = {}
    waiting: dict[str, list[int]] = {"(": [], "[": []}
    for index, token in enumerate(tokens):
        number = _NUMBER.fullmatch(token)
        opening = {")": "(", "]": "["}.get(token[-1]) if number or len(token) == 1 else None
        if token in waiting and sum(map(len, waiting.values())) < _MOST_OPEN:
            waiting[token].append(index)
            factors[index] = _FACTORS[token]
        elif opening and waiting[opening]:
            ends[index] = waiting[opening].pop()
            if number:
                factors[ends[index]] = float(number[1])
    return factors, ends


def _append(pieces: list[Piece], piece: Piece) -> None:
    if pieces and pieces[-1].weight == piece.weight:
        pieces[-1] = Piece(pieces[-1].text + piece.text, piece.weight)
    else:
        pieces.append(piece)
