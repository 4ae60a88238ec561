"""A picture with its bytes."""

from dataclasses import dataclass, field
from pathlib import Path

from darkroom.client.records import GeneratedImage


@dataclass(frozen=True)
class DrawnImage:
    """`content` is the file as the service stores it; `record` says what it is."""

    record: GeneratedImage
    content: bytes = field(repr=False)

    @property
    def seed(self) -> int:
        """Its own: with it and the job's other parameters it can be drawn again."""
        return self.record.seed

    def save(self, path: str | Path) -> Path:
        """Writes the file, over one that is there. The format is that of the bytes, whatever the name says."""
        path = Path(path)
        path.write_bytes(self.content)
        return path
