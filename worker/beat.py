"""The beat thread: shows the worker's state, renews its leases, carries progress and previews out, and requests in.

Has its own connection, so that neither a long step nor a slow Redis holds up the other. Knows nothing of diffusion.
"""

import os
import threading
import time

import redis
import structlog
from redis.exceptions import RedisError

from contract import keys, scripts
from contract.worker_state import WorkerState
from worker.execution import Execution
from worker.previews import preview_message

log = structlog.get_logger("darkroom.worker")

BUSY_SECONDS = 0.2
FIRST_SECONDS = 0.05
"""From a job's start to its first beat: a client that looks at once is to see the first steps too."""
IDLE_SECONDS = 1.5
HANG_SECONDS = 30
"""Past a deadline, where nothing has moved for so long, nothing ever will: the process ends, its jobs are retried."""
HANG_EXIT_CODE = 70


class Beat:
    """Beats until closed. `state` may be replaced at any time; the next beat shows it."""

    def __init__(self, client: redis.Redis, worker_name: str, state: WorkerState) -> None:
        self.state = state
        self._worker_name = worker_name
        self._client = client
        self._script = client.register_script(scripts.BEAT)
        self._executions: tuple[Execution, ...] = ()
        self._holding = threading.Lock()
        self._beating = threading.Lock()
        self._moved_at = time.monotonic()
        self._woken = threading.Event()
        self._hurried = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
        self._thread.start()

    def hold(self, execution: Execution) -> None:
        """Renews the execution's lease from now on."""
        with self._holding:
            self._executions = (*self._executions, execution)
            self._moved_at = time.monotonic()
        self._woken.set()

    def release(self, execution: Execution) -> None:
        """It has ended; by whatever thread."""
        with self._holding:
            self._executions = tuple(other for other in self._executions if other is not execution)
            self._moved_at = time.monotonic()

    def hurry(self) -> None:
        """Beats at once: there is something to carry out that would be too late in 0.2 s."""
        self._hurried.set()
        self._woken.set()

    def show(self, state: WorkerState) -> None:
        """Shows a new state now. Raises RedisError."""
        self.state = state
        self._beat()

    def close(self) -> None:
        """The last beat is over when this returns."""
        self._closing.set()
        self.hurry()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._beat()
                self._carry_previews()
            except RedisError as error:
                log.warning("beat_missed", error=error)
            self._end_if_hung()
            if self._woken.wait(BUSY_SECONDS if self._executions else IDLE_SECONDS):
                self._woken.clear()
                # A lease that has just begun need not be renewed: jobs that take no time would else cost a beat each.
                self._hurried.wait(FIRST_SECONDS)
                self._hurried.clear()

    def _beat(self) -> None:
        executions = self._executions
        arguments = [str(part) for each in executions for part in (each.member, each.step, each.total)]
        with self._beating:  # else a beat under way would show its older state after a newer one
            answers = self._script(args=[self._worker_name, self.state.model_dump_json(), *arguments])
        for execution, answer in zip(executions, answers, strict=True):
            execution.lost = execution.lost or answer == 0
            execution.canceled = execution.canceled or bool(answer & 2)
            execution.preview_wanted = bool(answer & 4)

    def _carry_previews(self) -> None:
        """Publishes those that wait, in one round trip, or drops them where nobody wants them any more."""
        with self._client.pipeline(transaction=False) as published:
            for execution in self._executions:
                for preview in execution.take_previews():
                    if execution.preview_wanted:
                        published.publish(keys.PREVIEWS, preview_message(execution.job_id, preview))
            published.execute()  # which asks nothing where there are none

    def _end_if_hung(self) -> None:
        """A job may be past its deadline for as long as others move: they are decoded, or stored, before it."""
        executions = self._executions
        moved_at = max((each.moved_at for each in executions), default=0.0)
        for hung in executions:
            if time.monotonic() > max(hung.deadline, moved_at, self._moved_at) + HANG_SECONDS:
                log.critical("step_hung", job_id=hung.job_id, owner=hung.owner, past_deadline_seconds=HANG_SECONDS)
                os._exit(HANG_EXIT_CODE)
