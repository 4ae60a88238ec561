"""WarmWorker: takes jobs under leases, has them drawn, hands them over to be stored and ended, takes the next ones.

Keeps RQ's queue, job hash, registries and worker record, so that RQ's tools see it; replaces RQ's dequeue, signals,
heartbeats and finish. Never calls a function named by a job. Knows nothing of torch: drawing is handed in.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Protocol, cast
from uuid import uuid4

import redis
import structlog
from pydantic import ValidationError
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker.base import WorkerStatus

from contract import keys, scripts
from contract.errors import JobFailed, JobRefused
from contract.image_store import ImageStore
from contract.job import RQ_DATA
from contract.parameters import GenerationParameters
from contract.worker_state import ModelState
from worker.batch import BatchLimits, Drawn, Member
from worker.beat import Beat
from worker.execution import Claim, Execution, Interrupted, WorkerStopping
from worker.finisher import Finisher
from worker.image_writer import ImageWriter
from worker.job_end import JobEnd
from worker.metrics import Memory, WorkerMetrics
from worker.observed_job import ObservedJob, all_in_sight
from worker.recycling import Drift
from worker.running_job import RunningJob
from worker.settings import WorkerSettings

log = structlog.get_logger("darkroom.worker")

_BLOCK_SECONDS = 1


class Draw(Memory, Protocol):
    """The models of one process."""

    def draw_batch(self, members: Sequence[Member]) -> list[int]:
        """Draws jobs that share a batch key; how many images each pipeline call had. Raises DeviceLost."""

    def batch_limits(self) -> BatchLimits:
        """How many images the next batch may have."""

    def report(self) -> Mapping[str, ModelState]:
        """How each model stands, by its id."""

    def host_bytes(self) -> int:
        """The weights that are held in the CPU's memory."""

    def can_be_doubled(self) -> bool:
        """Whether a second process with the same model fits beside this one, on the device and in the CPU's memory."""


class WarmWorker(SimpleWorker):
    """One process, one batch at a time."""

    def __init__(
        self,
        client: redis.Redis,
        settings: WorkerSettings,
        draw: Draw,
        store: ImageStore,
        beat: Beat,
        metrics: WorkerMetrics,
    ) -> None:
        super().__init__(
            [keys.QUEUE_NAME],
            name=settings.worker_name,
            connection=client,
            serializer=JSONSerializer,
            worker_ttl=keys.WORKER_TTL_SECONDS,
        )
        self._draw = draw
        images = ImageWriter(client, store, settings.store_limit_bytes, mark_ai=settings.mark_ai)
        self._job_end = JobEnd(client, images, beat, metrics)
        self._finisher = Finisher()
        self._beat = beat
        self._metrics = metrics
        self._settings = settings
        self._drift = Drift(settings.recycle_drift_bytes)
        self._leaving = False
        self._wants_successor = False
        self._signals = 0
        self._stop_at = float("inf")
        self._claim = client.register_script(scripts.CLAIM)

    def work(self) -> bool:  # type: ignore[override]  # none of RQ's options has a meaning here
        """Takes jobs until it is asked to stop or its memory has grown; whether the process is to be replaced at once.

        Raises DeviceLost in the middle of a batch, whose leases stay behind, and RedisError when Redis stays away.
        """
        signal.signal(signal.SIGTERM, self._note_signal)
        signal.signal(signal.SIGINT, self._note_signal)
        signal.signal(signal.SIGUSR1, self._note_successor)
        self.connection.delete(self.key)  # a former process of this name; its jobs went back when this one started
        self.register_birth()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.IDLE)
        with self._finisher:
            while self._wants_more():
                claims = self._claim(args=[self.name, uuid4().hex, self._draw.batch_limits().as_json()])
                if claims:
                    self._run([Claim(*claim) for claim in claims])
                    self._look_at_models()
                else:
                    self._wait_for_head()
        self.register_death()  # type: ignore[no-untyped-call]
        return self._wants_successor and not self._signals

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        """RQ would stretch the socket timeout of a client that is handed in to minutes."""
        return connection

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        # Only notes it: RQ's own handlers raise inside a read and leave the connection out of step.
        self._leaving = True
        self._signals += 1
        self._stop_at = min(self._stop_at, time.monotonic() + self._settings.shutdown_grace_seconds)

    def _note_successor(self, _number: int, _frame: FrameType | None) -> None:
        # No limit for the running job: its successor waits.
        self._leaving = True

    def _wants_more(self) -> bool:
        """Asked before a claim: no job is to lie here while the pictures of two batches wait to be stored."""
        if not self._leaving:
            self._finisher.wait_for_room()
        return not self._leaving

    def _wait_for_head(self) -> None:
        """Blocks until there is a head of the line, for a second at most; leaves it where it is."""
        self.connection.blmove(keys.QUEUE, keys.QUEUE, _BLOCK_SECONDS, "LEFT", "LEFT")

    def _run(self, claims: Sequence[Claim]) -> None:
        """Draws the jobs of one claim together. Each ends on the finisher's thread, maybe while others are drawn."""
        executions = [claim.execution() for claim in claims]
        for execution in executions:
            self._beat.hold(execution)
        # One that has crashed twice may be the one that kills its worker, or die of the third crash of another.
        by_itself = any(execution.attempts >= keys.MAX_CRASHES for execution in executions)
        if by_itself:
            self._finisher.wait_for_all()
        self._finisher.begin_batch()
        self._draw_together(claims, executions)
        if by_itself:
            self._finisher.wait_for_all()

    def _draw_together(self, claims: Sequence[Claim], executions: Sequence[Execution]) -> None:
        jobs, shared = [], []
        batch = {"batch": executions[0].execution_id} if len(claims) > 1 else {}
        for claim, execution in zip(claims, executions, strict=True):
            observed = ObservedJob(execution, self.name, batch)
            try:
                parameters = _parameters(claim)
            except JobRefused as error:
                self._finisher.hand_over(partial(self._job_end.leave, execution, observed, error))
                continue
            observed.begins(parameters)
            end = partial(self._hand_over, execution, observed, parameters)
            exclusive = claim.exclusive == b"1"
            jobs.append(RunningJob(parameters, execution, end, self._check, self._beat.hurry, exclusive=exclusive))
            shared.append(observed)
        if jobs:
            with all_in_sight(executions[0].execution_id, shared):
                self._draw_batch(jobs)

    def _draw_batch(self, jobs: Sequence[RunningJob]) -> None:
        model = jobs[0].parameters.model
        batches = self._draw.draw_batch(jobs)
        self._metrics.called(model, batches)
        if batches:
            self._beat.state = self._beat.state.model_copy(update={"model": model})

    def _hand_over(
        self,
        execution: Execution,
        observed: ObservedJob,
        parameters: GenerationParameters,
        outcome: Drawn | JobFailed | Interrupted,
    ) -> None:
        observed.is_ending = True
        if isinstance(outcome, Drawn):
            self._finisher.hand_over(partial(self._job_end.store, execution, observed, parameters, outcome))
        else:
            self._finisher.hand_over(partial(self._job_end.leave, execution, observed, outcome))

    def _check(self) -> None:
        """Raises WorkerStopping where no job is to be drawn any longer."""
        if self._signals > 1 or time.monotonic() > self._stop_at or self._finisher.broken:
            raise WorkerStopping

    def _look_at_models(self) -> None:
        """After every batch: shows how the models stand now, and has the process replaced when its memory has grown."""
        self._beat.state = self._beat.state.model_copy(update={"models": dict(self._draw.report())})
        if self._drift.exceeded(self._draw.host_bytes()):
            self._ask_for_successor()

    def _ask_for_successor(self) -> None:
        """Works on until the successor is warm; where there cannot be two, this one ends first."""
        supervisor = self._settings.supervisor_pid
        if supervisor is not None and self._draw.can_be_doubled():
            log.info("successor_wanted", reason="memory has grown", worker=self.name)
            with suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGUSR1)
        else:
            log.info("ending_for_successor", reason="memory has grown", worker=self.name)
            self._leaving = self._wants_successor = True


def _parameters(claim: Claim) -> GenerationParameters:
    """Raises JobRefused."""
    if claim.data.decode(errors="replace") != RQ_DATA:
        raise JobRefused("The job's record was not written by the service.")
    try:
        return GenerationParameters.model_validate_json(claim.parameters)
    except ValidationError as error:
        raise JobRefused("The job's parameters are not ones that the service accepts.") from error


def reap_former_life(client: redis.Redis, name: str) -> None:
    """Puts the jobs of a dead process of this name back in line. Only safe while nobody else lives under the name."""
    for outcome in client.register_script(scripts.REAP)(args=["worker", name]):
        job_id, _, fate = outcome.decode().partition(" ")
        owner = cast(bytes | None, client.hget(keys.JOB_PREFIX + job_id, "owner")) or b""
        log.warning("lease_lost", job_id=job_id, owner=owner.decode(), outcome=fate, reason="a former worker died")
