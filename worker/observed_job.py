"""What the log and the traces say of one claim of a job: taken, and how it ended, in a line and a span.

Never what was asked for: the prompt is the client's. Knows executions; knows nothing of Redis, or of how pictures are
drawn.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import structlog
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue
from structlog.contextvars import bound_contextvars

from contract.errors import JobFailed
from contract.job import JobStatus, StoredImage, Timings
from contract.parameters import GenerationParameters
from contract.tracing import begin, context_from, fail, trace_id, under
from worker.execution import Execution

log = structlog.get_logger("darkroom.worker")


class ObservedJob:
    """Begins with the claim; told by the worker what becomes of the job. `error` is set before it has failed.

    `is_ending` is set when whoever ends it knows of it.
    """

    def __init__(self, execution: Execution, worker: str, batch: dict[str, str]) -> None:
        """`batch` is what its first line says of a batch of several jobs."""
        self._started = time.monotonic()
        self._known: dict[str, str | float | int] = {}
        self.error: JobFailed | None = None
        self.is_ending = False
        parent = context_from({"traceparent": execution.traceparent, "tracestate": execution.tracestate})
        attributes: dict[str, AttributeValue] = {
            "darkroom.job.id": execution.job_id,
            "darkroom.job.attempts": execution.attempts,
            "darkroom.job.queued_seconds": execution.queued_seconds,
            "darkroom.worker.name": worker,
        }
        self.span = begin("job", SpanKind.CONSUMER, parent, **attributes)
        self._who = {"job_id": execution.job_id, "owner": execution.owner}
        with self.in_sight():
            log.info(
                "job_claimed",
                worker=worker,
                attempts=execution.attempts,
                queued_seconds=round(execution.queued_seconds, 3),
                **batch,
            )

    @contextmanager
    def in_sight(self) -> Iterator[None]:
        """For the length of the block every line names the job and its owner, and every span is below the job's."""
        with under(self.span), bound_contextvars(**self._who, **_traced()):
            yield

    @contextmanager
    def to_its_end(self) -> Iterator[None]:
        """In sight for the last time."""
        try:
            with self.in_sight():
                yield
        finally:
            self.span.end()

    def broke(self, kind: type[BaseException] | None, _error: object = None, _traceback: object = None) -> None:
        """The `__exit__` of a block in which it was drawn: an error that leaves it is the end of the process."""
        if kind is not None and not self.is_ending:
            fail(self.span, kind.__name__)
            self.span.end()

    def begins(self, parameters: GenerationParameters) -> None:
        """Attributes of OpenTelemetry's conventions for generative AI, whose prompts are not taken."""
        self._known["model"] = parameters.model
        self.span.set_attributes(
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
        self.span.set_attribute("darkroom.job.status", status.value)
        if self.error is not None:
            fail(self.span, self.error.code)
            log.warning(
                "job_failed", **self._known, code=self.error.code, reason=str(self.error), seconds=self._seconds
            )
        elif status is JobStatus.CANCELED:
            log.info("job_canceled", **self._known, seconds=self._seconds)
        else:
            log.info("job_succeeded", **self._known, seconds=self._seconds)

    def released(self) -> None:
        """It went back in line, because the worker is to stop."""
        self.span.set_attribute("darkroom.job.status", JobStatus.QUEUED.value)
        log.info("job_released", seconds=self._seconds)

    def lease_lost(self) -> None:
        """Another worker may have it; what this one did is dropped."""
        fail(self.span, "lease_lost")
        log.warning("lease_lost", outcome="dropped", seconds=self._seconds)

    @property
    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 3)


@contextmanager
def all_in_sight(batch: str, jobs: Sequence[ObservedJob]) -> Iterator[None]:
    """While they are drawn. What several share is below the span of the first, to which those of the others lead.

    Lines of what they share name the batch.
    """
    with ExitStack() as stack:
        for job in jobs:
            stack.push(job.broke)
        if len(jobs) == 1:
            stack.enter_context(jobs[0].in_sight())
        else:
            stack.enter_context(_shared(batch, jobs))
        yield


@contextmanager
def _shared(batch: str, jobs: Sequence[ObservedJob]) -> Iterator[None]:
    first, *others = [job.span for job in jobs]
    for each in (first, *others):
        each.set_attribute("darkroom.batch.jobs", len(jobs))
    for other in others:
        other.add_link(first.get_span_context())
    with under(first), bound_contextvars(batch=batch, **_traced()):
        yield


def _traced() -> dict[str, str]:
    """What lines say of the trace that they belong to."""
    found = trace_id()
    return {"trace_id": found} if found else {}
