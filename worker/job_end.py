"""How a job ends: its pictures stored, its record written, its lease given up. Or dropped, or back in line.

Knows the store and the scripts; knows nothing of threads or of how pictures are drawn.
"""

import time

import redis

from contract import scripts
from contract.errors import JobFailed
from contract.job import TO_RQ, JobStatus, Timings, job_warnings, stored_images
from contract.parameters import GenerationParameters
from contract.tracing import span
from worker.batch import Drawn
from worker.beat import Beat
from worker.execution import Execution, Interrupted, JobCanceled, WorkerStopping
from worker.image_filter import warnings_of_withheld
from worker.image_writer import ImageWriter
from worker.metrics import WorkerMetrics
from worker.observed_job import ObservedJob


class JobEnd:
    """One for all jobs of a worker. All methods raise RedisError."""

    def __init__(self, client: redis.Redis, images: ImageWriter, beat: Beat, metrics: WorkerMetrics) -> None:
        self._images = images
        self._beat = beat
        self._metrics = metrics
        self._finish = client.register_script(scripts.FINISH)
        self._reap = client.register_script(scripts.REAP)

    def store(
        self, execution: Execution, observed: ObservedJob, parameters: GenerationParameters, drawn: Drawn
    ) -> None:
        """Ends a job whose pictures are there, unless it was canceled or lost before its turn came."""
        with observed.to_its_end():
            try:
                execution.check_wanted()
                fields = self._result(execution, observed, parameters, drawn)
            except (JobFailed, Interrupted) as reason:
                self._leave(execution, observed, reason)
            else:
                self._write(execution, observed, JobStatus.SUCCEEDED, fields)
            self._beat.release(execution)

    def leave(self, execution: Execution, observed: ObservedJob, reason: JobFailed | Interrupted) -> None:
        """Ends a job that has no pictures, or puts it back in line."""
        with observed.to_its_end():
            self._leave(execution, observed, reason)
            self._beat.release(execution)

    def _leave(self, execution: Execution, observed: ObservedJob, reason: JobFailed | Interrupted) -> None:
        if isinstance(reason, JobFailed):
            observed.error = reason
            failure = {"error_code": reason.code, "error_detail": str(reason)}
            self._write(execution, observed, JobStatus.FAILED, failure)
        elif isinstance(reason, JobCanceled):
            self._write(execution, observed, JobStatus.CANCELED, {})
        elif isinstance(reason, WorkerStopping):
            self._reap(args=["released", execution.member])
            observed.released()
        else:
            observed.lease_lost()

    def _result(
        self, execution: Execution, observed: ObservedJob, parameters: GenerationParameters, drawn: Drawn
    ) -> dict[str, str]:
        """The fields that a succeeded job gets."""
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
            "batch_size": str(drawn.batch_size),
            "rung": drawn.rung.value,
            "step": str(execution.step),
            "total": str(execution.total),
        }

    def _write(self, execution: Execution, observed: ObservedJob, status: JobStatus, fields: dict[str, str]) -> None:
        pairs = [part for pair in fields.items() for part in pair]
        if self._finish(args=[execution.member, TO_RQ[status], *pairs]):
            observed.ended(status)
        else:
            observed.lease_lost()
