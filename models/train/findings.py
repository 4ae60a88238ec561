"""What was measured so far, in a file that is written after every part: measuring goes on where it was stopped.

Knows files; knows nothing of what is measured.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class Findings(dict[str, Any]):
    """The parts found at `path`, where they were measured with files of the same content as `files` have now."""

    def __init__(self, path: Path, files: Iterable[Path]) -> None:
        super().__init__()
        self._path = path
        self._digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()
        kept = json.loads(path.read_text()) if path.exists() else {}
        if kept.get("digest") == self._digest:
            self.update(kept["parts"])

    def measure(self, name: str, measure: Callable[[], Any]) -> None:
        """Adds the part `name` if it is missing, and prints it."""
        if name not in self:
            self[name] = measure()
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps({"digest": self._digest, "parts": self}, indent=1, ensure_ascii=False))
            os.replace(part, self._path)
        print(json.dumps({name: self[name]}, ensure_ascii=False), flush=True)
