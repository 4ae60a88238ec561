import random
import re

from contract.prompt_weights import Piece
from worker.prompt_chunks import Chunk, chunks_of


def count(text: str) -> int:
    """Words and marks; words of more than five letters are two tokens, and so on. Some characters have none."""
    return sum(-(-len(word) // 5) for word in re.findall(r"\w+", text)) + len(re.findall(r"[,.;:]", text))


def texts(chunks: list[Chunk]) -> list[str]:
    return ["".join(piece.text for piece in chunk) for chunk in chunks]


def test_what_fits_is_one_chunk_as_it_was_written() -> None:
    assert chunks_of([Piece("a red  fox, ", 1.0)], count, 4) == [[Piece("a red  fox, ", 1.0)]]
    assert chunks_of([], count, 4) == [[]]


def test_a_chunk_ends_with_a_phrase_where_one_ends_near_its_end_and_else_with_a_word() -> None:
    near = "one two three four five six, seven eight nine"
    assert texts(chunks_of([Piece(near, 1.0)], count, 8)) == ["one two three four five six,", " seven eight nine"]
    far = "one, two three four five six seven eight nine"
    assert texts(chunks_of([Piece(far, 1.0)], count, 8)) == ["one, two three four five six seven", " eight nine"]


def test_a_word_that_is_longer_than_a_chunk_is_cut() -> None:
    assert texts(chunks_of([Piece("a " + "x" * 23 + " b", 1.0)], count, 3)) == ["a", " " + "x" * 15, "x" * 8 + " b"]


def test_a_piece_keeps_its_weight_in_every_chunk() -> None:
    chunks = chunks_of([Piece("one ", 1.0), Piece("two three four five", 1.5)], count, 3)
    assert chunks == [[Piece("one ", 1.0), Piece("two three", 1.5)], [Piece(" four five", 1.5)]]


def test_pieces_without_a_token_are_left_out() -> None:
    assert chunks_of([Piece("one", 1.0), Piece(" ", 0.5), Piece("two", 1.0)], count, 3) == [
        [Piece("one", 1.0), Piece("two", 1.0)]
    ]


def test_nothing_is_lost_doubled_or_too_long() -> None:
    chance = random.Random(5)
    words = ["fox", "red ", ", ", "wonderful", " ", ".", "antidisestablishmentarianism", "-", "\n"]
    for _ in range(300):
        room = chance.randrange(2, 9)
        pieces = [
            Piece("".join(chance.choices(words, k=chance.randrange(1, 12))), chance.choice([0.5, 1.0, 1.5]))
            for _ in range(chance.randrange(6))
        ]
        chunks = chunks_of(pieces, count, room)
        assert all(sum(count(piece.text) for piece in chunk) <= room for chunk in chunks)
        for weight in (0.5, 1.0, 1.5):
            before = "".join(piece.text for piece in pieces if piece.weight == weight)
            after = "".join(piece.text for chunk in chunks for piece in chunk if piece.weight == weight)
            assert re.sub(r"[\s-]", "", after) == re.sub(r"[\s-]", "", before)
