"""Where pictures are saved: what -o says, and which files are written over.

A file that -o names exactly is written over, as curl and most programs do. Names that are made (several pictures, a
folder, a pattern, the job's id) are not, without --force: nobody has typed them. Knows nothing of HTTP.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.printing import tell

OutputFormat = Literal["png", "jpeg", "webp"]
STDOUT = "-"
_FORMATS: dict[str, OutputFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


@dataclass(frozen=True)
class Picture:
    """What a file can be named by: `index` and `seed` of one of `count` pictures, and the `name` where -o has none."""

    name: str
    extension: str
    count: int = 1
    index: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Destination:
    """`output` is what -o says: a file, a pattern with {index} or {seed}, a folder, `-`; None is the current folder."""

    output: str | None
    force: bool = False

    @property
    def to_stdout(self) -> bool:
        return self.output == STDOUT

    @property
    def output_format(self) -> OutputFormat | None:
        """What the name's suffix says, where it says anything. Raises BadParameter for one of no format."""
        if self.output is None or self.to_stdout or self._is_folder or not (suffix := Path(self.output).suffix):
            return None
        if suffix.lower() not in _FORMATS:
            raise typer.BadParameter(f"{suffix} is none of {', '.join(_FORMATS)}.", param_hint="-o")
        return _FORMATS[suffix.lower()]

    def agreed_format(self, asked: OutputFormat | None) -> OutputFormat | None:
        """Of the suffix and --output-format, which must not say two things."""
        told = self.output_format
        if asked and told and asked != told:
            raise typer.BadParameter(f"the name is of a {told} file, --output-format says {asked}.", param_hint="-o")
        return asked or told

    def check(self, count: int, *, as_json: bool) -> None:
        """Before anything is drawn: can that many pictures go there? Raises BadParameter."""
        if self.to_stdout:
            if as_json:
                raise typer.BadParameter("standard output is for --json or for the picture.", param_hint="-o")
            if count > 1:
                raise typer.BadParameter(f"one picture goes to standard output, not {count}.", param_hint="-o")
            if sys.stdout.isatty():
                raise typer.BadParameter("standard output is a terminal.", param_hint="-o")
        elif self.output is not None and not self._is_folder:
            if not Path(self.output).parent.is_dir():
                raise typer.BadParameter(f"there is no folder {Path(self.output).parent}.", param_hint="-o")
            taken = [] if self._exact(count) else [path for path in self._foreseen(count) if path.exists()]
            if taken and not self.force:
                raise typer.BadParameter(f"{taken[0]} is there already; --force writes over it.", param_hint="-o")

    def save(self, content: bytes, picture: Picture) -> str:
        """The path. Where it cannot be written, says so and ends with 1."""
        if self.to_stdout:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
            return STDOUT
        return _write(self._path(picture), content, over=self.force or self._exact(picture.count))

    @property
    def _is_folder(self) -> bool:
        return self.output is not None and (self.output.endswith("/") or Path(self.output).is_dir())

    @property
    def _is_pattern(self) -> bool:
        output = self.output or ""
        return not self._is_folder and ("{index}" in output or "{seed}" in output)

    def _exact(self, count: int) -> bool:
        """Whether somebody has typed the very name."""
        return count == 1 and self.output is not None and not self._is_folder and not self._is_pattern

    def _foreseen(self, count: int) -> list[Path]:
        """The names that do not depend on the seed."""
        if self.output is None or "{seed}" in self.output:
            return []
        return [self._path(Picture("", "", count, index)) for index in range(count)]

    def _path(self, picture: Picture) -> Path:
        if self._is_pattern:
            index, seed = str(picture.index), str(picture.seed)
            return Path((self.output or "").replace("{index}", index).replace("{seed}", seed))
        path = Path(self.output or "")
        if self.output is None or self._is_folder:
            path /= f"{picture.name}.{picture.extension}"
        return path if picture.count == 1 else path.with_name(f"{path.stem}-{picture.index}{path.suffix}")


def _write(path: Path, content: bytes, *, over: bool) -> str:
    try:
        if not path.parent.is_dir():
            path.parent.mkdir()
        with path.open("wb" if over else "xb") as file:
            file.write(content)
    except OSError as error:
        taken = isinstance(error, FileExistsError) and error.filename == str(path)
        tell(
            f"{path} is there already; --force writes over it"
            if taken
            else f"{path} cannot be written: {error.strerror}"
        )
        raise leave(ExitCode.FAILED) from None
    return str(path)
