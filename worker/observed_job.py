"""What the log and the traces say of one claim of a job: taken, and how it ended, in a line and a span.

Never what was asked for: the prompt is the client's. Knows executions; knows nothing of Redis, or of how pictures are
drawn.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue
from structlog.contextvars import bound_contextvars

from contract.errors import JobFailed
from contract.job import JobStatus, StoredImage, Timings
from contract.parameters import GenerationParameters
from contract.tracing import context_from, fail, span, trace_id
from worker.execution import Execution

log = structlog.get_logger("darkroom.worker")


class ObservedJob:
    """Told by the worker what becomes of the job; `error` before it has failed."""

    def __init__(self, opened: Span) -> None:
        self._span = opened
        self._started = time.monotonic()
        self._known: dict[str, str | float | int] = {}
        self.error: JobFailed | None = None

    def begins(self, parameters: GenerationParameters) -> None:
        """Attributes of OpenTelemetry's conventions for generative AI, whose prompts are not taken."""
        self._known["model"] = parameters.model
        self._span.set_attributes(
            {
                "gen_ai.operation.name": "generate_content",
                "gen_ai.output.type": "image",
                "gen_ai.provider.name": "darkroom",
                "gen_ai.request.model": parameters.model,
                "gen_ai.request.seed": parameters.seed,
                "gen_ai.request.choice.count": parameters.num_images_per_prompt,
            }
        )

    def drew(self, timings: Timings, images: Sequence[StoredImage]) -> None:
        self._known |= {
            "images": len(images),
            "stored_bytes": sum(image.size_bytes for image in images),
            **timings.model_dump(exclude_none=True),
        }

    def ended(self, status: JobStatus) -> None:
        """The job has that status now, and `error` is why it failed."""
        self._span.set_attribute("darkroom.job.status", status.value)
        if self.error is not None:
            fail(self._span, self.error.code)
            log.warning(
                "job_failed", **self._known, code=self.error.code, reason=str(self.error), seconds=self._seconds
            )
        elif status is JobStatus.CANCELED:
            log.info("job_canceled", **self._known, seconds=self._seconds)
        else:
            log.info("job_succeeded", **self._known, seconds=self._seconds)

    def released(self) -> None:
        """It went back in line, because the worker is to stop."""
        self._span.set_attribute("darkroom.job.status", JobStatus.QUEUED.value)
        log.info("job_released", seconds=self._seconds)

    def lease_lost(self) -> None:
        """Another worker may have it; what this one did is dropped."""
        fail(self._span, "lease_lost")
        log.warning("lease_lost", outcome="dropped", seconds=self._seconds)

    @property
    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 3)


@contextmanager
def job_observed(execution: Execution, worker: str) -> Iterator[ObservedJob]:
    """For the length of the block, every line names the job and its owner, and every span is below the job's."""
    parent = context_from({"traceparent": execution.traceparent, "tracestate": execution.tracestate})
    attributes: dict[str, AttributeValue] = {
        "darkroom.job.id": execution.job_id,
        "darkroom.job.attempts": execution.attempts,
        "darkroom.job.queued_seconds": execution.queued_seconds,
        "darkroom.worker.name": worker,
    }
    with (
        span("job", SpanKind.CONSUMER, parent, **attributes) as opened,
        bound_contextvars(job_id=execution.job_id, owner=execution.owner, **_traced()),
    ):
        log.info(
            "job_claimed",
            worker=worker,
            attempts=execution.attempts,
            queued_seconds=round(execution.queued_seconds, 3),
        )
        yield ObservedJob(opened)


def _traced() -> dict[str, str]:
    """What lines say of the trace that they belong to."""
    found = trace_id()
    return {"trace_id": found} if found else {}
