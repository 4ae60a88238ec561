"""A job that this process runs, as the drawing sees it: a member of its batch. Does no I/O while others are drawn.

Knows the job's lease and what ends it early; knows nothing of torch, files, or how a job is ended.
"""

from collections.abc import Callable
from copy import copy

from contract.errors import JobFailed
from contract.parameters import GenerationParameters
from worker.batch import Drawn
from worker.execution import Execution, Interrupted
from worker.previews import Peek

End = Callable[[Drawn | JobFailed | Interrupted], None]
"""Told once what came of the job; comes back at once."""


class RunningJob:
    """See worker/batch.py's Member."""

    def __init__(
        self,
        parameters: GenerationParameters,
        execution: Execution,
        end: End,
        check_worker: Callable[[], None],
        hurry: Callable[[], None],
        *,
        exclusive: bool,
    ) -> None:
        """`check_worker` raises WorkerStopping; `hurry` has what waits on the execution carried out at once."""
        self.parameters = parameters
        self.exclusive = exclusive
        self._execution = execution
        self._end = end
        self._check_worker = check_worker
        self._hurry = hurry

    def step_done(self, step: int, total: int, peek: Peek) -> None:
        """Raises DeadlineExceeded, or what interrupts the job."""
        self._execution.moves(step, total)
        self._execution.check()
        self._check_worker()
        self._execution.make_preview(peek)
        if step == total and self._execution.previews:  # the job may end before the next beat
            self._hurry()

    def drawn(self, drawn: Drawn) -> None:
        self._end(drawn)

    def left(self, reason: JobFailed | Interrupted) -> None:
        # A copy has neither traceback nor context, whose frames would keep the running call's tensors on the device
        # until the job's turn comes.
        self._end(copy(reason))
