"""A terminal, as far as a process can tell: what it prints is read, what a user would press is sent."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

ROWS, COLUMNS = 40, 100
CTRL_C = b"\x03"


def _take_terminal() -> None:
    """Makes standard input the terminal that a new session is controlled by."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A process that runs on one. Its session's leader, so that Ctrl-C is its SIGINT."""

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.printed = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)

    def until(self, words: str, seconds: float = 30.0) -> str:
        """Reads until it has printed them; everything that it has printed so far."""
        deadline = time.monotonic() + seconds
        while words not in self.printed:
            assert time.monotonic() < deadline, self.printed
            assert self._read(), self.printed
        return self.printed

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def end(self) -> int:
        """Reads to the end; the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait(30)

    def _read(self) -> bool:
        """What there is; False where there is no more to come."""
        ready, _, _ = select.select([self._ours], [], [], 30)
        try:
            content = os.read(self._ours, 65536) if ready else b""
        except OSError:  # Linux says so when the last process has closed its side
            return False
        self.printed += content.decode(errors="replace")
        return bool(content)
