"""The service's secret: read from its file, made where there is none. Keys for each purpose are derived from it.

Knows files; knows nothing of what is signed.
"""

import hmac
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from contract.errors import SettingsError
from service.settings import ServiceSettings

_LEAST_BYTES = 32
_HASH_BYTES = 32


def read_secret(settings: ServiceSettings) -> bytes:
    """At least 32 bytes: the administrator's file, or one in the data folder. Raises SettingsError."""
    path = settings.secret_file or settings.data_dir / "secret"
    try:
        if settings.secret_file is None:
            _make(path)
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read().strip()
    except OSError as error:
        raise SettingsError(f"the secret file {path} cannot be used: {error.strerror}") from None
    # The administrator's file may be a container's secret, which is often readable by all of the container.
    if settings.secret_file is None and stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"the secret file {path} can be read by others: `chmod 600` it, or remove it for a new one")
    if len(secret) < _LEAST_BYTES:
        raise SettingsError(f"the secret file {path} cannot be used: it holds less than {_LEAST_BYTES} bytes")
    return secret


def derived_key(secret: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose, from which neither the secret nor another key can be told.

    HKDF with SHA-256 (RFC 5869), without a salt and with the purpose as its info.
    """
    pseudorandom = hmac.digest(bytes(_HASH_BYTES), secret, "sha256")
    return hmac.digest(pseudorandom, purpose.encode() + b"\x01", "sha256")


def _make(path: Path) -> None:
    """Unless it is there. Raises OSError."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".secret.", dir=path.parent)
    try:
        with open(descriptor, "w") as file:  # mkstemp's files are 0600
            file.write(secrets.token_hex(_LEAST_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        # A link never replaces: of two processes that start at once, one is the first, and both read its secret, whole.
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
