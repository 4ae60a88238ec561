"""The API keys in force: finds whose a key is, and follows the key file while the service runs.

Knows the file; knows nothing of HTTP. Neither logs nor keeps what was presented.
"""

import hmac
import logging
import os
import time
from pathlib import Path

from contract.errors import SettingsError
from service.access.key_file import hash_of, read_key_file
from service.access.owners import Owner

log = logging.getLogger("darkroom.service")

_LOOK_SECONDS = 1.0


class ApiKeys:
    """The keys of one file. A file that breaks or vanishes later leaves the former keys in force."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError where the file cannot be used."""
        self._path = path
        self._seen = _signature(path)
        self._keys = read_key_file(path).keys
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self._complaint = ""

    def find(self, presented: str) -> Owner | None:
        """Whose key that is, None where it is nobody's. How long it takes says nothing of any key."""
        self._follow_file()
        presented_hash = hash_of(presented)
        owner = None
        for key in self._keys:
            if hmac.compare_digest(key.hash, presented_hash):
                owner = key.owner
        return owner

    def _follow_file(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        # Before it is read: a change in between is seen the next time.
        signature = _signature(self._path)
        if signature is None or signature != self._seen:
            self._read(signature)

    def _read(self, signature: tuple[int, ...] | None) -> None:
        try:
            self._keys = read_key_file(self._path).keys
        except SettingsError as error:
            self._complain(f"{error}; the former keys stay in force")
        else:
            self._seen = signature
            self._complaint = ""
            log.info("the key file was read again; keys in force: %d", len(self._keys))

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            log.error("%s", complaint)
            self._complaint = complaint


def _signature(path: Path) -> tuple[int, ...] | None:
    """Other numbers after any change of the file; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
