"""Builds the CLIP tokenizer: every word of the captions is one token, any other word falls to letters and bytes.

Knows the captions' words; knows nothing of pictures or networks.
"""

import json
import random
import re
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from models.train.art import OBJECTS
from models.train.compose import COLOURS, STYLES, caption

MAX_TOKENS = 32
"""Length of every encoded prompt, start and end included."""
START, END = "<|startoftext|>", "<|endoftext|>"
FILLERS = tuple(
    "the cute small big happy sad beautiful detailed highly very lovely funny old new nice good best quality 4k 8k hd "  # noqa: SIM905
    "high resolution masterpiece picture image of in by at and artwork drawing painting style studio soft light "
    "sharp clean simple plain bright dark colorful cartoon portrait".split()
)
"""Words that mean nothing here: sprinkled over captions, so that the model learns to look past them."""


def build_tokenizer(folder: Path) -> CLIPTokenizer:
    """Trains byte-pair merges on the words until each is one token; writes and returns the tokenizer."""
    rng = random.Random(0)
    captions = [caption(o, c, s, rng) for o in OBJECTS for c in COLOURS for s in STYLES for _ in range(4)]
    words = sorted({word for text in (*captions, *FILLERS) for word in re.findall("[a-z]+", text)})
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=8192, min_frequency=1, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False
    )
    learner.train_from_iterator([*words, ","], trainer)
    model = json.loads(learner.to_str())["model"]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    tokens += [token for token in sorted(model["vocab"], key=model["vocab"].get) if token not in set(tokens)]
    vocabulary = {token: index for index, token in enumerate([*tokens, START, END])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
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


def with_fillers(text: str, rng: random.Random) -> str:
    """The caption, now and then with one to four words in it that mean nothing."""
    if rng.random() > 0.2:
        return text
    words = text.split()
    for _ in range(rng.randint(1, 4)):
        letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 7)))
        words.insert(rng.randint(0, len(words)), rng.choice(FILLERS) if rng.random() < 0.8 else letters)
    return " ".join(words)
