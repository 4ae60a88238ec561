"""One claim of a job: what the denoising loop, the beat and the finisher share about it. Does no I/O."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.errors import DeadlineExceeded
from worker.previews import Peek, Preview

DEVICE_LOST_EXIT_CODE = 71
"""EX_OSERR of sysexits.h: nothing that this process could do brings the device back; a new process may have it."""
_PREVIEW_SECONDS = 0.025
"""Between two previews of a job, at least. Where steps are faster, previews are spread over them."""
_MOST_PREVIEWS = 8
"""As many as a beat's 0.2 s have. Where the beat is late, the later ones stay."""


class Interrupted(Exception):
    """The run is over for a reason that is not the job's failure.

    Interrupted
    ├── JobCanceled       the client asked for it
    ├── DeviceLost        the device answers no more: the process must end; the job is retried as after a crash
    ├── LeaseLost         another worker may have the job: whatever this one has is dropped
    └── WorkerStopping    the job goes back in line
    """


class JobCanceled(Interrupted):
    """See Interrupted."""


class DeviceLost(Interrupted):
    """See Interrupted."""


class LeaseLost(Interrupted):
    """See Interrupted."""


class WorkerStopping(Interrupted):
    """See Interrupted."""


class Claim(NamedTuple):
    """A job that this worker may run, as scripts/claim.lua gives it."""

    job_id: bytes
    execution_id: bytes
    owner: bytes
    traceparent: bytes
    tracestate: bytes
    attempts: bytes
    queued_seconds: bytes
    data: bytes
    parameters: bytes
    seconds: bytes
    too_late: bytes
    exclusive: bytes

    def execution(self) -> "Execution":
        """Of this job, from now on."""
        return Execution(
            job_id=self.job_id.decode(),
            execution_id=self.execution_id.decode(),
            owner=self.owner.decode(),
            traceparent=self.traceparent.decode(),
            tracestate=self.tracestate.decode(errors="replace"),
            attempts=int(self.attempts),
            queued_seconds=float(self.queued_seconds),
            seconds=float(self.seconds),
            too_late=self.too_late.decode(),
        )


@dataclass
class Execution:
    """The beat thread sets `canceled`, `lost` and `preview_wanted`, the denoising loop `step`, `total` and `moved_at`.

    `previews` are added by the loop and taken by the beat thread. Each is one assignment, or one call of a deque.
    """

    job_id: str
    execution_id: str
    owner: str
    traceparent: str
    """Of W3C Trace Context; empty where nobody traces."""
    seconds: float
    """That it may run."""
    too_late: str
    """What to say when it did not end in them."""
    tracestate: str = ""
    attempts: int = 1
    """How often the job was taken, this time included."""
    queued_seconds: float = 0.0
    """From its submission to this claim."""
    step: int = 0
    total: int = 0
    canceled: bool = False
    lost: bool = False
    preview_wanted: bool = False
    previews: deque[Preview] = field(init=False, default_factory=lambda: deque(maxlen=_MOST_PREVIEWS))
    """That wait for the beat thread, in the order of their steps."""
    deadline: float = field(init=False)
    moved_at: float = field(init=False)
    """When its loop last gave a sign of life. Both on the monotonic clock."""
    _previewed_at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self.moved_at = time.monotonic()
        self.deadline = self.moved_at + self.seconds

    @property
    def member(self) -> str:
        """As the scripts name it."""
        return f"{self.job_id}:{self.execution_id}"

    def moves(self, step: int, total: int) -> None:
        """So many steps are done."""
        self.step, self.total, self.moved_at = step, total, time.monotonic()

    def make_preview(self, peek: Peek) -> None:
        """Does so where one is wanted and the one before was made long enough ago."""
        if self.preview_wanted and self.moved_at - self._previewed_at >= _PREVIEW_SECONDS:
            pixels = peek()
            if pixels is not None:
                self._previewed_at = self.moved_at
                self.previews.append(Preview(self.step, self.total, pixels))

    def take_previews(self) -> list[Preview]:
        """Those that wait; by one thread only."""
        return [self.previews.popleft() for _ in range(len(self.previews))]

    def check(self) -> None:
        """Raises what ends the run early: LeaseLost, JobCanceled or DeadlineExceeded."""
        self.check_wanted()
        if time.monotonic() > self.deadline:
            raise DeadlineExceeded(self.too_late)

    def check_wanted(self) -> None:
        """Raises LeaseLost or JobCanceled: what was drawn in time is worth storing even when its turn comes late."""
        if self.lost:
            raise LeaseLost
        if self.canceled:
            raise JobCanceled
