"""The API keys in force: finds whose a key is, and follows the key file while the service runs.

Knows the file; knows nothing of HTTP. Neither logs nor keeps what was presented.
"""

import hmac
from pathlib import Path

from service.access.key_file import hash_of, read_key_file
from service.access.owners import Owner
from service.followed_file import FollowedFile


class ApiKeys:
    """The keys of one file. A file that breaks or vanishes later leaves the former keys in force."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError where the file cannot be used."""
        self._file = FollowedFile(path, read_key_file, "keys")

    def find(self, presented: str) -> Owner | None:
        """Whose key that is, None where it is nobody's. How long it takes says nothing of any key."""
        presented_hash = hash_of(presented)
        owner = None
        for key in self._file.content().keys:
            if hmac.compare_digest(key.hash, presented_hash):
                owner = key.owner
        return owner
