"""The file of API keys: what an entry holds, and how the file is read and rewritten.

Holds the SHA-256 of each key, never a key: 256 random bits need no slow hash. Knows nothing of HTTP.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.errors import SettingsError
from contract.reasons import first_reason
from service.access.owners import ANONYMOUS, Owner


def _not_everybody(name: str) -> str:
    if name == ANONYMOUS.name:
        raise ValueError("this name is reserved for services without keys")
    return name


KeyName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,63}$"), AfterValidator(_not_everybody)]
Limit = Annotated[int, Field(ge=1)] | None


class _Entry(BaseModel):
    # A misspelt limit must not pass for none.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class KeyLimits(_Entry):
    """What its owner may have and ask for; a limit that is None is the service's own."""

    max_queued_jobs: Limit = None
    requests_per_minute: Limit = None
    max_cost: Limit = None


class ApiKey(_Entry):
    """One key, as it is kept."""

    name: KeyName
    hash: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
    created_at: AwareDatetime
    limits: KeyLimits = KeyLimits()

    @property
    def owner(self) -> Owner:
        return Owner(self.name, **self.limits.model_dump())


class KeyFile(_Entry):
    """The whole file: no name is there twice, and no key."""

    keys: tuple[ApiKey, ...]

    @model_validator(mode="after")
    def _tell_owners_apart(self) -> Self:
        names = [key.name for key in self.keys]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"the name {repeated!r} is used more than once")
        if len({key.hash for key in self.keys}) < len(names):
            raise ValueError("two names have the same key")
        return self


def hash_of(key: str) -> str:
    """The key as the file holds it."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def read_key_file(path: Path) -> KeyFile:
    """Raises SettingsError, which names the file and the reason."""
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = error.strerror
    except ValidationError as error:
        reason = first_reason(error)
    raise SettingsError(f"the key file {path} cannot be used: {reason}")


def write_key_file(path: Path, content: KeyFile) -> None:
    """The whole file or, after an error, the former one; readable by its owner alone. Raises OSError."""
    text = content.model_dump_json(indent=2, exclude_none=True) + "\n"
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w") as file:  # mkstemp's files are 0600
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
    _sync_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """For as long as it is held nobody else changes the file: what was read may be written back. Raises OSError."""
    # A file of its own, because the key file itself is replaced.
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """A key that was revoked stays so through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
