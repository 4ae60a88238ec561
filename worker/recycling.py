"""When a worker's process should be replaced: its memory has grown by more than anybody can account for.

Knows this process's memory; knows nothing of jobs, of torch, or of who starts the next process.
"""

from collections.abc import Callable

import psutil

SUCCESSOR_EXIT_CODE = 75
"""The worker wants a successor at once. EX_TEMPFAIL of sysexits.h: nothing is wrong, to be tried again."""

_SETTLED_JOBS = 10
"""What the first jobs add stays: libraries that are imported late, caches that fill once, the allocators' arenas."""


_PROCESS = psutil.Process()


def resident_bytes() -> int:
    """The process's memory without what is mapped from files, which the system can drop; where it tells them apart."""
    memory = _PROCESS.memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


class Drift:
    """How far the process's memory has moved, beside the models, since its first jobs."""

    def __init__(self, limit_bytes: int, resident: Callable[[], int] = resident_bytes) -> None:
        self._limit_bytes = limit_bytes
        self._resident = resident
        self._jobs = 0
        self._baseline = 0

    def exceeded(self, host_bytes: int) -> bool:
        """To be asked after every job, with the bytes of the models that are held in the CPU's memory.

        True once for every `limit_bytes` of growth, so that a request that came to nothing is made again; never with a
        limit of 0.
        """
        unaccounted = self._resident() - host_bytes
        self._jobs += 1
        if self._jobs <= _SETTLED_JOBS:
            self._baseline = unaccounted
        if not 0 < self._limit_bytes < unaccounted - self._baseline:
            return False
        self._baseline = unaccounted
        return True
