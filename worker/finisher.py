"""A thread that ends jobs, one after the other, while the next ones are drawn.

Knows nothing of what there is to do at the end of a job; whoever hands it over does.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType

from redis.exceptions import RedisError

_LAST_SECONDS = 10
"""For what was drawn before an error that ends the process; a lost lease costs the job a second run, and no more."""

End = Callable[[], None]
"""Ends a job. What it raises ends the process."""


class Finisher:
    """A context: what was handed over has been done when it is left, or had its 10 seconds after an error."""

    def __init__(self) -> None:
        self._ends: SimpleQueue[End | None] = SimpleQueue()
        self._handed_over = 0
        self._done = 0
        self._batch_begins = 0
        self._over = False
        self._moved = threading.Condition()
        self._error: RedisError | None = None
        # Not waited for at the end of the process: it may wait for a disk that never answers.
        self._thread = threading.Thread(target=self._run, name="finisher", daemon=True)

    def __enter__(self) -> "Finisher":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None) -> None:
        self._ends.put(None)
        self._thread.join(None if kind is None else _LAST_SECONDS)
        if kind is None:
            self._raise_what_broke_it()

    @property
    def broken(self) -> bool:
        """Whether an error has ended the thread: no job can be ended any more."""
        return self._over and self._done < self._handed_over

    def begin_batch(self) -> None:
        """What is handed over from now on belongs to the next batch."""
        self._batch_begins = self._handed_over

    def hand_over(self, end: End) -> None:
        """To be done after all that was handed over before; by one thread only. Waits for nothing."""
        self._handed_over += 1
        self._ends.put(end)

    def wait_for_room(self) -> None:
        """Returns when no batch but the last one is unfinished, so that at most one ever waits behind another.

        Raises the RedisError that broke it, and RuntimeError after any other error, which is in the log.
        """
        self._wait_for(self._batch_begins)

    def wait_for_all(self) -> None:
        """Returns when nothing is unfinished. Raises as `wait_for_room` does."""
        self._wait_for(self._handed_over)

    def _wait_for(self, done: int) -> None:
        with self._moved:
            self._moved.wait_for(lambda: self._over or self._done >= done)
        self._raise_what_broke_it()

    def _raise_what_broke_it(self) -> None:
        if self._error is not None:
            raise self._error
        if self.broken:
            raise RuntimeError("the thread that ends jobs has ended by an error")

    def _run(self) -> None:
        try:
            while self._end_next():
                pass
        except RedisError as error:
            self._error = error
        finally:
            with self._moved:
                self._over = True
                self._moved.notify()

    def _end_next(self) -> bool:
        """Whether there may be more. No variable keeps a job's pictures while the next one is waited for."""
        end = self._ends.get()
        if end is None:
            return False
        end()
        with self._moved:
            self._done += 1
            self._moved.notify()
        return True
