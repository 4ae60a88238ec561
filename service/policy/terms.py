"""Terms that a prompt must not hold: how they are written down, and how a text is searched for them.

A term is one word or several in a row, whatever stands between them; a `*` at its end stands for any ending. Case,
accents, and what cannot be seen make no difference. Knows texts alone; knows nothing of files or HTTP.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

_WORD = re.compile(r"[^\W_]+")
_UNSEEN = frozenset(("Mn", "Me", "Cf"))
"""Unicode's categories of marks that combine with a letter, and of formats, such as zero-width spaces and joiners."""
_FILLERS = str.maketrans("", "", "\u115f\u1160\u3164\uffa0")
"""Letters by their category that are drawn as nothing."""


class Term(NamedTuple):
    """What to look for."""

    words: tuple[str, ...]
    letters: int | None
    """Of its last word, as many as must be there; None where that is the whole word."""


class Terms:
    """A text is searched in one pass, however many there are."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self._terms = frozenset(terms)
        self._shapes = frozenset((len(term.words), term.letters) for term in self._terms)

    def are_in(self, text: str) -> bool:
        """Whether the text holds one of them."""
        words = words_of(text)
        return any(
            Term((*words[start : end - 1], words[end - 1][:letters]), letters) in self._terms
            for count, letters in self._shapes
            for start, end in enumerate(range(count, len(words) + 1))
        )


def words_of(text: str) -> list[str]:
    """Its runs of letters and digits, in a form in which what looks the same is the same."""
    return _WORD.findall(_folded(text))


def parse_term(term: str) -> Term:
    """A term as it is written down. Raises ValueError with the reason for what can be none."""
    stem = term.removesuffix("*")
    if "*" in stem:
        raise ValueError("`*` may stand at the end alone")
    words = words_of(stem)
    if not words:
        raise ValueError("holds neither a letter nor a digit")
    return Term(tuple(words), len(words[-1]) if stem != term else None)


def _folded(text: str) -> str:
    """Decomposed, so that an accent is a mark of its own that can be left out."""
    seen = "".join(
        each
        for each in unicodedata.normalize("NFKD", text.translate(_FILLERS))
        if unicodedata.category(each) not in _UNSEEN
    )
    return unicodedata.normalize("NFKC", seen.casefold())
