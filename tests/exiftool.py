"""What the `exiftool` program reads from a file: an eye that shares no code with ours."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any


def read_with_exiftool(file: Path) -> dict[str, Any]:
    """Every tag, as `group:name`."""
    program = shutil.which("exiftool")
    assert program, "the tests of image files need the `exiftool` program on PATH (Debian: libimage-exiftool-perl)"
    done = subprocess.run([program, "-json", "-G1", "-n", str(file)], capture_output=True, check=True)
    (tags,) = json.loads(done.stdout)
    return dict(tags)
