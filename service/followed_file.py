"""A file that an operator may change while the service runs: read at start, and again once it has changed.

Knows files and their signatures; knows nothing of what is in them.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from contract.errors import SettingsError

log = structlog.get_logger("darkroom.service")

_LOOK_SECONDS = 1.0

Content = TypeVar("Content")


class FollowedFile(Generic[Content]):
    """What a file holds. One that breaks or vanishes later leaves what it held before in force."""

    def __init__(self, path: Path, read: Callable[[Path], Content], what: str) -> None:
        """`read` raises SettingsError where the file cannot be used, as this does; `what` is its content in words."""
        self._path = path
        self._read = read
        self._what = what
        # Before it is read: a change in between is seen the next time.
        self._seen = _signature(path)
        self._content = read(path)
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self._complaint = ""

    def content(self) -> Content:
        """As the file was within the last second, or as it last could be used."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            signature = _signature(self._path)
            if signature is None or signature != self._seen:
                self._read_again(signature)
        return self._content

    def _read_again(self, signature: tuple[int, ...] | None) -> None:
        try:
            self._content = self._read(self._path)
        except SettingsError as error:
            self._complain(str(error))
        else:
            self._seen = signature
            self._complaint = ""
            log.info("file_read_again", holds=self._what)

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            # What it held before stays in force.
            log.error("file_unusable", holds=self._what, reason=complaint)
            self._complaint = complaint


def _signature(path: Path) -> tuple[int, ...] | None:
    """Other numbers after any change of the file; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
