import random
import re
from itertools import pairwise

import pytest

from contract.prompt_weights import MAX_WEIGHT, Piece, has_weight_out_of_range, weighted_pieces

MORE, LESS = 1.1, 1 / 1.1


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("", []),
        ("a fox", [("a fox", 1)]),
        ("a (red) fox", [("a ", 1), ("red", MORE), (" fox", 1)]),
        ("a [red] fox", [("a ", 1), ("red", LESS), (" fox", 1)]),
        ("(red:1.3)(fox: .5 )", [("red", 1.3), ("fox", 0.5)]),
        ("((red)) [[fox]]", [("red", MORE**2), (" ", 1), ("fox", LESS**2)]),
        ("(a (red:1.5) fox:2)", [("a ", 2), ("red", 3), (" fox", 2)]),
        ("(fox:1)", [("fox", 1)]),
        ("([fox])", [("fox", MORE * LESS)]),
        ("(a [b) c]", [("a ", MORE), ("b", MORE * LESS), (" c", LESS)]),  # crossed
        ("a (red fox", [("a ", 1), ("red fox", MORE)]),  # never closed
        ("a) fox] here :1.3)", [("a) fox] here :1.3)", 1)]),  # never opened
        (r"a \(red\) \[fox\]", [("a (red) [fox]", 1)]),
        (r"(a \) b)", [("a ) b", MORE)]),
        ("12:30, a fox: (red)", [("12:30, a fox: ", 1), ("red", MORE)]),
        ("[cat:dog:0.5]", [("cat:dog:0.5", LESS)]),  # the web UI's prompt editing is not known
        ("(fox:1.2.3) ()", [("fox:1.2.3", MORE), (" ", 1)]),
        ("(fox:-1)", [("fox", -1)]),
        ("[" * 22 + "fox" + "]" * 22, [("[[fox", LESS**20), ("]]", 1)]),  # too deep
    ],
)
def test_brackets_weigh_the_words_in_them(prompt: str, pieces: list[tuple[str, float]]) -> None:
    found = weighted_pieces(prompt)
    assert [piece.text for piece in found] == [text for text, _ in pieces]
    assert [piece.weight for piece in found] == pytest.approx([weight for _, weight in pieces])


def _scribbles() -> list[str]:
    chance = random.Random(7)
    words = ["(", ")", "[", "]", ":", "1.3", ":1.2)", "\\", "fox", " ", ",", ".", "é", "\n", "(:0)"]
    return ["".join(chance.choices(words, k=chance.randrange(30))) for _ in range(2000)]


def test_whatever_is_written_no_piece_is_empty_and_neighbours_weigh_differently() -> None:
    for prompt in _scribbles():
        pieces = weighted_pieces(prompt)
        assert all(piece.text for piece in pieces), prompt
        assert all(one.weight != next_one.weight for one, next_one in pairwise(pieces)), prompt


def test_whatever_is_written_the_words_stay_in_their_order() -> None:
    for prompt in _scribbles():
        text = "".join(piece.text for piece in weighted_pieces(prompt))
        assert re.findall("fox|é", text) == re.findall("fox|é", prompt)


def test_text_without_brackets_is_unchanged() -> None:
    for prompt in _scribbles():
        plain = re.sub(r"[()\[\]]", "", prompt)
        assert weighted_pieces(plain) == ((Piece(plain, 1),) if plain else ())


def test_what_is_escaped_is_text_however_deep() -> None:
    for prompt in _scribbles():
        plain = prompt.replace("\\", "")
        escaped = re.sub(r"([()\[\]])", r"\\\1", plain)
        assert weighted_pieces(escaped) == ((Piece(plain, 1),) if plain else ())


def test_weights_multiply_when_nested() -> None:
    chance = random.Random(3)
    for _ in range(200):
        weights = [round(chance.uniform(0.1, 2), 2) for _ in range(chance.randrange(1, 8))]
        prompt, expected = "fox", 1.0
        for weight in weights:
            prompt = f"({prompt}:{weight})"
            expected *= weight
        ((text, weight),) = weighted_pieces(prompt)
        assert (text, weight) == ("fox", pytest.approx(expected))


@pytest.mark.parametrize(
    ("prompt", "is_out"),
    [
        ("a fox", False),
        (f"(fox:0) (cat:{MAX_WEIGHT})", False),
        ("(fox:-0.1)", True),
        ("(fox:3.01)", True),
        ("((fox:2):2)", True),
        (f"((fox:0):{'9' * 400})", True),  # nothing times infinity is no number
        ("(" * 20, False),
        ("(" * 21, True),  # the last one is a word in the others
        ("(a" * 1300, True),
    ],
)
def test_a_weight_out_of_range_is_found(prompt: str, is_out: bool) -> None:
    assert has_weight_out_of_range(prompt) is is_out
