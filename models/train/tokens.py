"""Builds the CLIP tokenizer: every word of the captions is one token, any other word falls to a few pieces.

Knows the captions' words; knows nothing of pictures or networks.
"""

import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

from models.train.captions import meaningful_words
from models.train.words import FILLERS

MAX_TOKENS = 32
"""Length of every encoded prompt, start and end included."""
MERGES = 2300
START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"


def build_tokenizer(folder: Path, common: list[str]) -> CLIPTokenizer:
    """Learns byte-pair merges of the captions' words, each down to one token, then of `common` words as far as there
    is room; writes and returns the tokenizer. Raises ValueError where MERGES are too few for the captions."""
    words = sorted(meaningful_words().union(*(re.findall("[a-z]+", filler) for filler in FILLERS)))
    merges = learn_merges(dict.fromkeys(common, 1) | dict.fromkeys(words, len(common) + 1), MERGES)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [
        *alphabet,
        *(letter + END_OF_WORD for letter in alphabet),
        *("".join(pair) for pair in merges),
        START,
        END,
    ]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    missing = [word for word in words if word + END_OF_WORD not in vocabulary]
    if missing:
        raise ValueError(f"{MERGES} merges leave no token for {', '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n")
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def learn_merges(counts: dict[str, int], most: int) -> list[tuple[str, str]]:
    """The most frequent neighbours first, as byte-pair encoding has it (Sennrich et al. 2016), ties in order of the
    alphabet: the trainer of `tokenizers` breaks them by chance, and a resumed training would read other tokens."""
    pieces = {word: [*word[:-1], word[-1] + END_OF_WORD] for word in counts}
    totals: Counter[tuple[str, str]] = Counter()
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for word, parts in pieces.items():
        for pair in pairwise(parts):
            totals[pair] += counts[word]
            holders[pair].add(word)
    merges: list[tuple[str, str]] = []
    while totals and len(merges) < most:
        best = min(totals, key=lambda pair: (-totals[pair], pair))
        merges.append(best)
        for word in holders.pop(best):
            for pair in pairwise(pieces[word]):
                totals[pair] -= counts[word]
            pieces[word] = _merged(pieces[word], best)
            for pair in pairwise(pieces[word]):
                totals[pair] += counts[word]
                holders[pair].add(word)
        totals = +totals
    return merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
