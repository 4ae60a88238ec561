"""The one job record: its states, its JSON, and its way to and from its Redis hash.

The hash is RQ's own layout with our fields beside RQ's, so that RQ's tools can read it.
Knows nothing of who writes or reads it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contract.parameters import GenerationParameters, Labels
from contract.rung import Rung
from contract.webhook import WEBHOOK_EVENTS, Webhook, webhook_from_record

RQ_DATA = '["darkroom",null,[],{}]'
"""RQ's `data` field of every job: a function name without arguments, which no worker ever calls."""


JOB_ID = "[0-9a-f]{32}"
"""The form of a job's id, as a regular expression; a grid's has the same."""


def is_id(text: str) -> bool:
    """Whether it has that form."""
    return re.fullmatch(JOB_ID, text) is not None


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


FROM_RQ = {
    "queued": JobStatus.QUEUED,
    "started": JobStatus.RUNNING,
    "finished": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELED,
}
"""RQ's statuses in the hash -> ours."""
TO_RQ = {status: name for name, status in FROM_RQ.items()}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Progress(_Part):
    """Denoising steps done, of those that the scheduler takes; the images of a job are denoised together."""

    step: int
    total: int


class GeneratedImage(_Part):
    """One picture. `url` is relative to the service."""

    url: str
    index: int
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    signed_url: Annotated[str, Field(description="works without an API key, for a while")]


class StoredImage(_Part):
    """A picture as the worker records it: `key` is its place in the image store.

    Its `index` is its place among all that were drawn, the ones that were withheld included.
    """

    key: str
    index: int
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str


class JobError(_Part):
    """Why a job failed; `code` is stable, `detail` is for people."""

    code: str
    detail: str


class AppliedStyle(_Part):
    """The style that was asked for, and the prompts as they were before it."""

    name: str
    prompt: str
    negative_prompt: Annotated[str | None, Field(description="null: the model's own")]


class JobWarning(_Part):
    """What a client should know of a job that did not fail for it; `code` is stable, `detail` is for people."""

    code: str
    detail: str


class Timings(_Part):
    """Where a job's time went, in seconds. Queued ends with the last claim."""

    queued_seconds: float | None = None
    load_seconds: float | None = None
    denoise_seconds: float | None = None
    decode_seconds: float | None = None
    filter_seconds: Annotated[float | None, Field(description="null where no filter judges the pictures")] = None
    store_seconds: float | None = None


class Job(_Part):
    """A generation request in line, running or ended."""

    id: str
    status: JobStatus
    queue_position: Annotated[int | None, Field(description="1 is next; null unless queued")]
    eta_seconds: Annotated[
        float | None,
        Field(description="until its end, as jobs went so far; null if ended or not known"),
    ]
    progress: Progress | None
    parameters: GenerationParameters
    style: AppliedStyle | None
    labels: Labels
    grid_id: Annotated[str | None, Field(description="the grid of which it is a cell")]
    images: list[GeneratedImage]
    error: JobError | None
    warnings: list[JobWarning]
    attempts: Annotated[int, Field(description="how often a worker took the job")]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    deadline_at: Annotated[datetime, Field(description="it fails where its pictures are not drawn by then")]
    expires_at: Annotated[datetime | None, Field(description="when the record and its images are removed")]
    timings: Timings
    webhook: Annotated[Webhook | None, Field(description="and what it was told; null without one")]
    exclusive: Annotated[bool, Field(description="whether each of its images is drawn by itself")]
    batch_size: Annotated[
        int | None,
        Field(description="images of the pipeline call that drew it, the largest if several; null unless succeeded"),
    ]
    rung: Annotated[
        Rung | None,
        Field(description="of the memory ladder, on which it was drawn; the lowest if several; null unless succeeded"),
    ]


FIELDS = (
    "status",
    "parameters",
    "style",
    "labels",
    "grid_id",
    "images",
    "error_code",
    "error_detail",
    "warnings",
    "attempts",
    "created_at",
    "started_at",
    "ended_at",
    "deadline_at",
    "expires_at",
    "step",
    "total",
    "timings",
    "webhook",
    "exclusive",
    "batch_size",
    "rung",
    *(f"delivery:{event}" for event in WEBHOOK_EVENTS),
)
"""The fields of the hash that make a `Job`, in the order in which the scripts return them."""

stored_images = TypeAdapter(list[StoredImage])
job_warnings = TypeAdapter(list[JobWarning])
job_labels = TypeAdapter(Labels)

Sign = Callable[[str], str]
"""The address of a picture that works without an API key, from the one that does not."""


def job_from_record(job_id: str, record: Sequence[str | int | None], sign: Sign) -> Job:
    """The job from what scripts/*.lua return: the values of FIELDS, its queue position, the seconds to its end."""
    *values, position, seconds = record
    field: Mapping[str, str | None] = {
        name: None if value in (None, "") else str(value) for name, value in zip(FIELDS, values, strict=True)
    }
    status = FROM_RQ[field["status"] or ""]
    created_at, started_at = datetime.fromisoformat(field["created_at"] or ""), _time(field["started_at"])
    return Job(
        id=job_id,
        status=status,
        queue_position=int(position) if position else None,
        eta_seconds=round(float(seconds), 1) if seconds else None,
        progress=Progress(step=int(field["step"] or 0), total=int(field["total"])) if field["total"] else None,
        parameters=GenerationParameters.model_validate_json(field["parameters"] or ""),
        style=AppliedStyle.model_validate_json(field["style"]) if field["style"] else None,
        labels=job_labels.validate_json(field["labels"] or "{}"),
        grid_id=field["grid_id"],
        images=public_images(job_id, stored_images.validate_json(field["images"] or "[]"), sign),
        error=error_from_record(status, field["error_code"], field["error_detail"]),
        warnings=job_warnings.validate_json(field["warnings"] or "[]"),
        attempts=int(field["attempts"] or 0),
        created_at=created_at,
        started_at=started_at,
        completed_at=_time(field["ended_at"]),
        deadline_at=datetime.fromisoformat(field["deadline_at"] or ""),
        expires_at=_time(field["expires_at"]),
        timings=timings_from_record(field["timings"], created_at, started_at),
        webhook=webhook_from_record(field["webhook"], [field[f"delivery:{event}"] for event in WEBHOOK_EVENTS]),
        exclusive=field["exclusive"] is not None,
        batch_size=int(field["batch_size"]) if field["batch_size"] else None,
        rung=Rung(field["rung"]) if field["rung"] else None,
    )


def error_from_record(status: JobStatus | None, code: str | None, detail: str | None) -> JobError | None:
    """Why a job failed; without a code where a tool called it failed. None for any that did not fail."""
    return JobError(code=code or "worker_crashed", detail=detail or "") if status is JobStatus.FAILED else None


def timings_from_record(text: str | None, created_at: datetime, started_at: datetime | None) -> Timings:
    """From the field of the hash, and the two times between which the job was queued."""
    timings = Timings.model_validate_json(text or "{}")
    if started_at is None:
        return timings
    return timings.model_copy(update={"queued_seconds": (started_at - created_at).total_seconds()})


def public_images(job_id: str, stored: list[StoredImage], sign: Sign) -> list[GeneratedImage]:
    """A job's pictures as clients see them."""
    images = []
    for image in stored:
        url = f"/images/{job_id}/{image.index}.{image.key.rpartition('.')[2]}"
        images.append(GeneratedImage(url=url, signed_url=sign(url), **image.model_dump(exclude={"key"})))
    return images


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
