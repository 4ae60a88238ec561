"""URLs that open a picture, or what else they name, without a key, for a while.

Knows paths and time; knows nothing of jobs, stores or keys.
"""

import base64
import hmac
import time
from posixpath import splitext

_STEPS = 4


class SignedUrls:
    """Signs and checks with one key. A URL is open for its lifetime at least, and for a quarter longer at most."""

    def __init__(self, key: bytes, lifetime_seconds: int) -> None:
        self._key = key
        self._lifetime_seconds = lifetime_seconds
        self._step_seconds = lifetime_seconds // _STEPS

    def sign(self, path: str, now: float | None = None) -> str:
        """`/images/<job>/<index>.<extension>`, or another path, with `expires`, in Unix seconds, and `signature` in its
        query.

        The same for a quarter of the lifetime, so that caches can keep what is behind it.
        """
        steps = int(_or_time(now) + self._lifetime_seconds) // self._step_seconds + 1
        expires = str(steps * self._step_seconds)
        picture = splitext(path.removeprefix("/"))[0]
        return f"{path}?expires={expires}&signature={self._signature(picture, expires)}"

    def allows(self, picture: str, expires: str, signature: str, now: float | None = None) -> bool:
        """Whether the signature is of that picture, in any format, and its time is not over. False for any nonsense.

        The picture is its path without the first slash and the extension.
        """
        genuine = self._signature(picture, expires)
        # As bytes: text may hold more than ASCII. What was signed here is a number.
        same = hmac.compare_digest(genuine.encode(), signature.encode())
        return same and _or_time(now) < int(expires)

    def _signature(self, picture: str, expires: str) -> str:
        digest = hmac.digest(self._key, f"{picture}\n{expires}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _or_time(now: float | None) -> float:
    return time.time() if now is None else now
