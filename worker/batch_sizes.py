"""BatchSizes: how many images a batch may have, of each batch key, by what pipeline calls of each size took before.

More at once only while it pays: a device that is busy with one image draws eight in eight times as long, and whoever is
in such a batch only waits for the others. Pure: knows nothing of memory, models or torch.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.batch import BatchLimits

MOST_IMAGES = 8
"""Four take nearly all of the gain that was published for any card, and sixteen hardly more than eight."""
_GAIN = 0.97
"""Of the time for an image of half as many: what is gained above it is within what one call differs from the next."""
_ENOUGH = 2
"""Calls of a size before it is judged: the first one also chooses kernels and grows the allocator's pool."""
_KEPT = 5
"""Calls of a size that are looked at, and as many before it is given up, which is for ten minutes: a few may have been
disturbed."""
_FRESH_SECONDS = 600
"""What else computes on the device changes; so does what a worker learned when it was busy."""
_LONGEST_CALL_SECONDS = 60
"""No batch is to take longer, as far as was measured: a job with that much time left misses nothing by its company."""
_MOST_KEYS = 64


@dataclass
class _Key:
    calls: dict[int, deque[tuple[float, float]]] = field(default_factory=dict)
    """When they ended, and seconds for each image, by images in the call."""
    limit: int = 1


class BatchSizes:
    """Of one worker. Sizes are powers of two, unless a number is set."""

    def __init__(self, fixed: int | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """`fixed` is taken for every key instead of what was measured; `now` is in seconds."""
        self._fixed = fixed
        self._now = now
        self._keys: OrderedDict[str, _Key] = OrderedDict()

    def note(self, key: str, images: int, seconds: float) -> None:
        """A pipeline call of so many images took so long."""
        calls = self._known(key).calls.setdefault(images, deque(maxlen=_KEPT))
        calls.append((self._now(), seconds / images))

    def settle(self, key: str, has_room: Callable[[int], bool]) -> None:
        """Looks anew at a key; `has_room` says whether memory lets so many images be drawn at once at no cost."""
        known = self._known(key)
        limit = self._fixed or self._worth(known)
        while limit > 1 and not has_room(limit):
            limit //= 2
        known.limit = limit

    def limits(self) -> BatchLimits:
        """One image, or the number that is set, for keys that were not settled lately."""
        return BatchLimits(self._fixed or 1, {key: known.limit for key, known in self._keys.items()})

    def _known(self, key: str) -> _Key:
        known = self._keys.setdefault(key, _Key())
        self._keys.move_to_end(key)
        if len(self._keys) > _MOST_KEYS:
            self._keys.popitem(last=False)
        return known

    def _worth(self, known: _Key) -> int:
        """The largest size that pays, or the one above it as long as that was not measured."""
        size = 1
        while size < MOST_IMAGES and (alone := self._best(known, size)) is not None:
            doubled = self._best(known, 2 * size)
            if 2 * size * (alone if doubled is None else doubled) > _LONGEST_CALL_SECONDS:
                break
            if doubled is not None and doubled > _GAIN * alone:
                return size if len(self._fresh(known, 2 * size)) == _KEPT else 2 * size
            size *= 2
        return size

    def _best(self, known: _Key, images: int) -> float | None:
        """Seconds for an image: of the last few calls the fastest, since whatever disturbs only adds."""
        fresh = self._fresh(known, images)
        return min(fresh) if len(fresh) >= _ENOUGH else None

    def _fresh(self, known: _Key, images: int) -> list[float]:
        since = self._now() - _FRESH_SECONDS
        return [seconds for ended, seconds in known.calls.get(images, ()) if ended >= since]
