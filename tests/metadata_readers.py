"""What others read from a picture's file: eyes that share no code with ours."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from PIL import Image
from sd_parsers import ParserManager
from sd_parsers.data import PromptInfo

_SEEN: list[Image.Image] = []


def read_with_exiftool(file: Path) -> dict[str, Any]:
    """Every tag, as `group:name`."""
    program = shutil.which("exiftool")
    assert program, "the tests of image files need the `exiftool` program on PATH (Debian: libimage-exiftool-perl)"
    done = subprocess.run([program, "-json", "-G1", "-n", str(file)], capture_output=True, check=True)
    (tags,) = json.loads(done.stdout)
    return dict(tags)


def read_with_sd_parsers(file: Path) -> PromptInfo:
    # It knows a picture by its address in memory: none may take the place of one that is gone.
    with Image.open(file) as image:
        _SEEN.append(image)
        info = ParserManager().parse(image)
    assert info is not None
    return info
