"""The file whose lock holds a worker's name on this machine. Knows nothing of who holds it."""

import fcntl
import hashlib
import tempfile
from pathlib import Path
from typing import IO

from worker.settings import WorkerSettings


def lock_file(settings: WorkerSettings) -> IO[str]:
    """Of that name on that Redis; not locked yet."""
    who = hashlib.sha256(f"{settings.redis_url} {settings.worker_name}".encode()).hexdigest()[:16]
    return (Path(tempfile.gettempdir()) / f"darkroom-worker-{who}.lock").open("w")


def is_held(settings: WorkerSettings) -> bool:
    """Whether a worker of that name runs here. One that starts in that very moment takes the name for held."""
    try:
        with lock_file(settings) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter where another user's worker made it
        return True
    return False
