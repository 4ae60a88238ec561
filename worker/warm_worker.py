"""WarmWorker: takes a job under a lease, has it drawn, stores the images, finishes.

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
from contract.job import RQ_DATA, TO_RQ, JobStatus, Timings, job_warnings, stored_images
from contract.parameters import GenerationParameters
from contract.tracing import span
from contract.worker_state import ModelState
from worker.batch import BatchLimits, Drawn, Member, OnStep
from worker.beat import Beat
from worker.execution import Claim, Execution, Interrupted, JobCanceled, LeaseLost, WorkerStopping
from worker.image_filter import warnings_of_withheld
from worker.image_writer import ImageWriter
from worker.metrics import Memory, WorkerMetrics
from worker.observed_job import ObservedJob, job_observed
from worker.previews import Peek
from worker.recycling import Drift
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
    """One process, one job at a time."""

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
        self._images = ImageWriter(client, store, settings.store_limit_bytes, mark_ai=settings.mark_ai)
        self._beat = beat
        self._metrics = metrics
        self._settings = settings
        self._drift = Drift(settings.recycle_drift_bytes)
        self._leaving = False
        self._wants_successor = False
        self._signals = 0
        self._stop_at = float("inf")
        self._claim = client.register_script(scripts.CLAIM)
        self._finish = client.register_script(scripts.FINISH)
        self._reap = client.register_script(scripts.REAP)

    def work(self) -> bool:  # type: ignore[override]  # none of RQ's options has a meaning here
        """Takes jobs until it is asked to stop or its memory has grown; whether the process is to be replaced at once.

        Raises DeviceLost in the middle of a job, whose lease stays behind, and RedisError when Redis stays away.
        """
        signal.signal(signal.SIGTERM, self._note_signal)
        signal.signal(signal.SIGINT, self._note_signal)
        signal.signal(signal.SIGUSR1, self._note_successor)
        self.connection.delete(self.key)  # a former process of this name; its jobs went back when this one started
        self.register_birth()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.IDLE)
        while not self._leaving:
            claims = self._claim(args=[self.name, uuid4().hex])
            for claim in claims:
                self._run(Claim(*claim))
                self._look_at_models()
            if not claims:
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

    def _wait_for_head(self) -> None:
        """Blocks until there is a head of the line, for a second at most; leaves it where it is."""
        self.connection.blmove(keys.QUEUE, keys.QUEUE, _BLOCK_SECONDS, "LEFT", "LEFT")

    def _run(self, claim: Claim) -> None:
        execution = claim.execution()
        with self._beat.holding(execution), job_observed(execution, self.name) as observed:
            try:
                parameters = _parameters(claim)
                observed.begins(parameters)
                member = _OneJob(parameters, partial(self._step_done, execution))
                batches = self._draw.draw_batch([member])
                fields = self._result(parameters, execution, observed, member.result())
                self._metrics.called(parameters.model, batches)
                self._end(execution, observed, JobStatus.SUCCEEDED, fields)
            except JobFailed as error:
                observed.error = error
                self._end(execution, observed, JobStatus.FAILED, {"error_code": error.code, "error_detail": str(error)})
            except JobCanceled:
                self._end(execution, observed, JobStatus.CANCELED, {})
            except WorkerStopping:
                self._reap(args=["released", execution.member])
                observed.released()
            except LeaseLost:
                observed.lease_lost()

    def _step_done(self, execution: Execution, step: int, total: int, peek: Peek) -> None:
        execution.step, execution.total = step, total
        execution.check()
        if self._signals > 1 or time.monotonic() > self._stop_at:
            raise WorkerStopping
        execution.make_preview(peek)

    def _look_at_models(self) -> None:
        """After every job: shows how the models stand now, and has the process replaced when its memory has grown."""
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

    def _result(
        self, parameters: GenerationParameters, execution: Execution, observed: ObservedJob, drawn: Drawn
    ) -> dict[str, str]:
        """The fields that a succeeded job gets."""
        self._beat.state = self._beat.state.model_copy(update={"model": parameters.model})
        withheld = warnings_of_withheld(drawn.images)
        started = time.monotonic()
        with span("store"):
            images = self._images.write(execution, parameters, drawn.images)
        timings = Timings(
            load_seconds=round(drawn.load_seconds, 6),
            denoise_seconds=round(drawn.denoise_seconds, 6),
            decode_seconds=round(drawn.decode_seconds, 6),
            filter_seconds=None if drawn.filter_seconds is None else round(drawn.filter_seconds, 6),
            store_seconds=round(time.monotonic() - started, 6),
        )
        self._metrics.job_drawn(parameters.model, timings)
        observed.drew(timings, images)
        return {
            "images": stored_images.dump_json(images).decode(),
            "warnings": job_warnings.dump_json([*drawn.warnings, *withheld]).decode(),
            "stored_bytes": str(sum(image.size_bytes for image in images)),
            "timings": timings.model_dump_json(exclude_none=True),
            "step": str(execution.step),
            "total": str(execution.total),
        }

    def _end(self, execution: Execution, observed: ObservedJob, status: JobStatus, fields: dict[str, str]) -> None:
        pairs = [part for pair in fields.items() for part in pair]
        if self._finish(args=[execution.member, TO_RQ[status], *pairs]):
            observed.ended(status)
        else:
            observed.lease_lost()


class _OneJob:
    """A batch of one, whose pictures are stored before the next is drawn."""

    exclusive = False

    def __init__(self, parameters: GenerationParameters, step_done: OnStep) -> None:
        self.parameters = parameters
        self.step_done = step_done
        self._outcome: Drawn | JobFailed | Interrupted | None = None

    def drawn(self, drawn: Drawn) -> None:
        self._outcome = drawn

    def left(self, reason: JobFailed | Interrupted) -> None:
        self._outcome = reason

    def result(self) -> Drawn:
        """Raises why there is none."""
        if isinstance(self._outcome, Drawn):
            return self._outcome
        raise self._outcome or RuntimeError("a member was not told what becomes of it")


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
