"""A prompt that is longer than a text encoder reads, cut into chunks that it reads one by one.

Knows pieces of text and a way to count their tokens; knows nothing of encoders or pipelines.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache

from contract.prompt_weights import Piece

Chunk = list[Piece]

_PART = re.compile(r"\s*[^\s,.;:]+[,.;:]*|\s+|[,.;:]+")
"""A word with what it is divided from the next one by."""
_PHRASE_ENDS = (",", ".", ";", ":")
_LOOK_BACK = 4
"""A chunk ends with a phrase if one ends in its last quarter; else with a word."""


def chunks_of(pieces: Sequence[Piece], count: Callable[[str], int], room: int) -> list[Chunk]:
    """The pieces in chunks of at most `room` tokens each, at least one chunk; every word is in exactly one.

    Pieces without a token are left out.
    """
    count = cache(count)
    chunks: list[Chunk] = []
    parts: list[Piece] = []
    waiting = [part for piece in pieces for part in _parts(piece)]
    waiting.reverse()

    def tokens(of: Sequence[Piece]) -> int:
        return sum(count(piece.text) for piece in _joined(of))

    while waiting:
        part = waiting.pop()
        if tokens([*parts, part]) <= room:
            parts.append(part)
        elif parts:
            end = _phrase_end(parts, lambda rest: tokens(rest) <= room // _LOOK_BACK)
            chunks.append(_joined(parts[:end]))
            waiting += [part, *reversed(parts[end:])]
            parts = []
        else:
            most = _longest_prefix(part.text, count, room)
            waiting += [part._replace(text=part.text[most:]), part._replace(text=part.text[:most])]
    chunks.append(_joined(parts))
    return [[piece for piece in chunk if count(piece.text)] for chunk in chunks]


def _parts(piece: Piece) -> list[Piece]:
    return [Piece(text, piece.weight) for text in _PART.findall(piece.text)]


def _joined(parts: Sequence[Piece]) -> Chunk:
    """As few pieces as there are changes of weight."""
    joined: Chunk = []
    for part in parts:
        if joined and joined[-1].weight == part.weight:
            joined[-1] = Piece(joined[-1].text + part.text, part.weight)
        else:
            joined.append(part)
    return joined


def _phrase_end(parts: Sequence[Piece], is_near: Callable[[Sequence[Piece]], bool]) -> int:
    """How many parts make a chunk: up to the last phrase that ends near enough to the end of all, or all."""
    for end in range(len(parts), 0, -1):
        if not is_near(parts[end:]):
            break
        if parts[end - 1].text.endswith(_PHRASE_ENDS):
            return end
    return len(parts)


def _longest_prefix(text: str, count: Callable[[str], int], room: int) -> int:
    """Characters of a word that has more tokens than fit; at least one, and not all."""
    fits, too_many = 1, len(text)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if count(text[:middle]) <= room:
            fits = middle
        else:
            too_many = middle
    return fits
