"""The folder of the pictures: can it be written to, is there room, will what is in it last.

Knows file systems, and what Redis says is stored; leaves nothing behind.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from redis.exceptions import RedisError

from contract import keys
from contract.finding import Finding, size
from service.redis_client import connect

_MOUNTS = Path("/proc/self/mountinfo")
_IN_MEMORY = ("tmpfs", "ramfs")
_OVER_A_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs", "lustre")
_OF_A_CONTAINER = "overlay"
_PROBE_BYTES = 4096
_NAME = "store"


def look_at_folder(folder: Path, min_free_bytes: int) -> list[Finding]:
    """Blocks for as long as the disk does."""
    place = _existing(folder)
    if not place.is_dir():
        mend = "set DARKROOM_DATA_DIR to a folder"
        return [Finding(check=_NAME, verdict="wrong", found=f"{place} is no folder", mend=mend)]
    reason = _why_not_written(place) if place == folder.absolute() else _why_not_made(place)
    if reason:
        mend = "make room, let the service's user write there, or set DARKROOM_DATA_DIR to another folder"
        return [Finding(check=_NAME, verdict="wrong", found=f"{place} cannot be written to: {reason}", mend=mend)]
    later = "" if place == folder.absolute() else f"; {folder} is made when it is first needed"
    written = Finding(check=_NAME, verdict="ok", found=f"{place} can be written to{later}")
    return [written, room(place, min_free_bytes), lasting(place, file_system(place)), *_open_to_others(place)]


def room(folder: Path, min_free_bytes: int) -> Finding:
    """On the disk. Raises OSError."""
    total, _, free = shutil.disk_usage(folder)
    found = f"{size(free)} of {size(total)} are free on the disk of {folder}"
    if total and free < min_free_bytes:
        found += f", {size(min_free_bytes)} must be: no job is taken"
        mend = "make room, delete jobs, or lower DARKROOM_MIN_FREE_BYTES"
        return Finding(check="store_room", verdict="wrong", found=found, mend=mend)
    if total and free < 2 * min_free_bytes:
        mend = "make room, or set DARKROOM_STORE_LIMIT_BYTES or a lower DARKROOM_RETENTION_SECONDS"
        return Finding(check="store_room", verdict="warning", found=f"{found}: not much", mend=mend)
    return Finding(check="store_room", verdict="ok", found=found)


def lasting(folder: Path, kind: str | None) -> Finding:
    """Whether what is on that kind of file system outlives a restart and a network."""
    name = "store_place"
    mend = "set DARKROOM_DATA_DIR to a folder on a disk"
    if kind is None:
        return Finding(check=name, verdict="skipped", found="this system does not say what file system it is on")
    if kind in _IN_MEMORY:
        found = f"{folder} is on {kind}, in memory: its pictures are lost with a restart of the machine"
        return Finding(check=name, verdict="warning", found=found, mend=mend)
    if kind in _OVER_A_NETWORK:
        found = f"{folder} is on {kind}, over a network: where that hangs, so do jobs and pictures"
        return Finding(check=name, verdict="warning", found=found, mend=mend)
    if kind == _OF_A_CONTAINER:
        found = f"{folder} is on the container's own {kind}: its pictures are lost with the container"
        return Finding(check=name, verdict="warning", found=found, mend="mount a volume there")
    return Finding(check=name, verdict="ok", found=f"{folder} is on {kind}")


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """The kind, as Linux names it; None elsewhere."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    return _kind_of(folder.resolve(), lines)


async def look_at_limit(url: str, limit_bytes: int | None) -> list[Finding]:
    """What is stored, by Redis's count, beside DARKROOM_STORE_LIMIT_BYTES."""
    if limit_bytes is None:
        return []
    name = "store_limit"
    client = connect(url)
    try:
        stored, wanted = (int(value or 0) for value in await client.mget(keys.STORED_BYTES, keys.ROOM_WANTED))
    except RedisError as error:
        return [Finding(check=name, verdict="skipped", found=f"Redis does not tell ({type(error).__name__})")]
    finally:
        await client.aclose()
    found = f"{size(stored)} of pictures are stored, {size(limit_bytes)} may be"
    if stored >= limit_bytes or stored + wanted > limit_bytes:
        mend = "raise DARKROOM_STORE_LIMIT_BYTES, delete jobs, or wait until results are old enough to be removed"
        return [Finding(check=name, verdict="warning", found=f"{found}: no job is taken", mend=mend)]
    return [Finding(check=name, verdict="ok", found=found)]


def _existing(folder: Path) -> Path:
    """The folder, or what there is of the way to it."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


def _why_not_made(place: Path) -> str | None:
    """Of a folder that is to be made there."""
    return None if os.access(place, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)


def _why_not_written(folder: Path) -> str | None:
    """Writes a small file and removes it."""
    # As the store stages its own check: what a killed process leaves of it is removed with the other leftovers.
    path = folder / f"check#{os.getpid()}"
    try:
        with path.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror
    finally:
        path.unlink(missing_ok=True)
    return None


def _open_to_others(folder: Path) -> Iterable[Finding]:
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        found = f"every user of this machine can put pictures into {folder} and remove them"
        yield Finding(check="store_access", verdict="warning", found=found, mend=f"chmod o-w {folder}")


def _kind_of(folder: Path, lines: Iterable[str]) -> str | None:
    """Of the nearest mount; by proc_pid_mountinfo(5) its place is the fifth field, and its kind follows ` - `."""
    nearest, kind = -1, None
    for line in lines:
        head, _, tail = line.partition(" - ")
        point = Path(head.split()[4].encode().decode("unicode_escape"))
        if folder.is_relative_to(point) and len(point.parts) >= nearest:
            nearest, kind = len(point.parts), tail.split()[0]
    return kind
