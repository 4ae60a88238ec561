"""Pictures on the terminal itself, for --preview, with textual-image (LGPL-3.0), the extra `terminal`.

It finds out by itself what the terminal can: sixel, kitty's protocol, or else coloured half cells.
"""

import io
import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from darkroom.commands.printing import tell

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = 48
"""Of the terminal, at most."""
_PIXEL = b"P6 1 1 255 \0\0\0"
"""A picture, as Portable Pixmap."""


class TerminalPicture:
    """The one that is shown now, while it is drawn; and those at the end."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._shown: Any = None

    def renderable(self, content: bytes) -> "RenderableType":
        """Of the bytes of a file. The one before is forgotten by the terminal."""
        self.forget()
        self._shown = self._image(io.BytesIO(content), width=_COLUMNS)
        shown: RenderableType = self._shown
        return shown

    def forget(self) -> None:
        if self._shown is not None:
            self._shown.cleanup()
            self._shown = None

    def print(self, content: bytes) -> None:
        """For good."""
        from rich.console import Console

        Console(stderr=True).print(self._image(io.BytesIO(content), width=_COLUMNS))


def terminal_picture() -> TerminalPicture | None:
    """None, with a line that says why, where pictures cannot be shown; the rest of the command goes on."""
    # It asks the terminal on standard output, and reads the answer from standard input.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        tell("no preview: standard input, output and error must be a terminal")
        return None
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        tell("no preview: this terminal shows no colours")
        return None
    logging.getLogger("textual_image").setLevel(logging.ERROR)  # it warns where the terminal has no answer
    try:
        image = import_module("textual_image.renderable").Image
    except ImportError:
        tell("no preview: it needs the extra `terminal`: pip install 'darkroom[terminal]'")
        return None
    # It asks the terminal for more when it first measures; later the answer would come into what is drawn there.
    Measurement.get(console, console.options, image(io.BytesIO(_PIXEL)))
    return TerminalPicture(image)
