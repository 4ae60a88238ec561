"""Tokenizers with small vocabularies, of the classes that real pipelines name.

Knows the two families, CLIP and T5; knows nothing of the networks, whose vocabularies must be at least as large.
"""

import json
import shutil
import string
from pathlib import Path

from transformers import T5Tokenizer

_POCKET = Path(__file__).parents[1] / "models" / "pocket" / "tokenizer"
_CLIP_LENGTH = 77
_T5_LENGTH = 512


def write_tokenizer(folder: Path, class_name: str) -> None:
    if class_name == "CLIPTokenizer":
        _write_clip(folder)
    else:
        _write_t5(folder)


def _write_clip(folder: Path) -> None:
    """The tokens of the model in this repository, some thousands, at the length that every published CLIP has."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_POCKET / "tokenizer.json", folder)
    settings = json.loads((_POCKET / "tokenizer_config.json").read_text())
    settings["model_max_length"] = _CLIP_LENGTH
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def _write_t5(folder: Path) -> None:
    """Three special tokens and one for each printable character."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    characters = [(character, -1.0) for character in "▁" + string.ascii_letters + string.digits + string.punctuation]
    tokenizer = T5Tokenizer(vocab=special + characters, extra_ids=0, model_max_length=_T5_LENGTH)
    tokenizer.save_pretrained(folder)
