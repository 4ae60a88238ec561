"""Has the C library keep what was freed: on a CPU every step of a picture frees the same blocks and takes them again.

Given back, each comes as new pages that the system has to clear: pictures in batches of eight took a fifth longer.
Knows glibc; does nothing where there is another C library, or another allocator in its place.
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""Both from glibc's malloc.h."""
_KEPT_BYTES = 256 * 1024**2
_LARGEST_KEPT_BLOCK_BYTES = 32 * 1024**2
"""The most that glibc takes. A larger block is given back as soon as it is free, as most weights are."""


def keep_freed_memory() -> None:
    """Up to 256 MiB of it. To be called before much is allocated."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK_BYTES)
