"""A job as a prediction, which is what Replicate's clients know. Knows jobs; knows nothing of HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from contract.job import Job, JobStatus, Sign
from contract.parameters import GenerationParameters

Status = Literal["starting", "processing", "succeeded", "failed", "canceled"]

_STATUSES: dict[JobStatus, Status] = {
    JobStatus.QUEUED: "starting",
    JobStatus.RUNNING: "processing",
    JobStatus.SUCCEEDED: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELED: "canceled",
}
_NAMES = {"num_images_per_prompt": "num_outputs"}
"""Ours -> theirs, where they differ."""
_BAR_WIDTH = 10


class PredictionUrls(BaseModel):
    """Whole ones. `stream` works without a key, for a while: their client for JavaScript shows none there."""

    get: str
    cancel: str
    stream: str


class Prediction(BaseModel):
    """A job, as Replicate's clients read it."""

    id: str
    model: str
    version: str
    status: Status
    input: dict[str, Any]
    output: list[str] | None
    logs: str
    error: str | None
    metrics: dict[str, float]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    data_removed: bool = False
    source: str = "api"
    urls: PredictionUrls


def prediction_of(job: Job, base_url: str, sign: Sign) -> Prediction:
    """The job as it is. `base_url` is the service's, as the client calls it, without a slash at its end."""
    path = f"/v1/predictions/{job.id}"
    return Prediction(
        id=job.id,
        model=model_name(job.parameters.model),
        version=job.parameters.model,
        status=_STATUSES[job.status],
        input=_input(job.parameters),
        output=[base_url + image.signed_url for image in job.images] or None,
        logs=_logs(job),
        error=f"{job.error.code}: {job.error.detail}" if job.error else None,
        metrics=_metrics(job),
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        urls=PredictionUrls(
            get=base_url + path, cancel=f"{base_url}{path}/cancel", stream=base_url + sign(f"{path}/stream")
        ),
    )


def model_name(model_id: str) -> str:
    """An id as `owner/name`, which is the only form that their clients take."""
    return model_id if "/" in model_id else f"darkroom/{model_id}"


def progress_line(step: int, total: int) -> str:
    """As tqdm draws it, with a line break: what their clients read progress from."""
    percent = 100 * step // total
    bar = "█" * (_BAR_WIDTH * step // total)
    return f"{percent:3}%|{bar:<{_BAR_WIDTH}}| {step}/{total}\n"


def their_name(parameter: str) -> str:
    """What they call a parameter of ours."""
    return _NAMES.get(parameter, parameter)


def _input(parameters: GenerationParameters) -> dict[str, Any]:
    """All that is drawn from: to post it again gives the same pictures."""
    return {their_name(name): value for name, value in parameters if name != "model"}


def _logs(job: Job) -> str:
    if job.progress is None:
        return ""
    return "".join(progress_line(step, job.progress.total) for step in range(1, job.progress.step + 1))


def _metrics(job: Job) -> dict[str, float]:
    """In seconds, as theirs are."""
    if job.started_at is None or job.completed_at is None:
        return {}
    return {
        "predict_time": (job.completed_at - job.started_at).total_seconds(),
        "total_time": (job.completed_at - job.created_at).total_seconds(),
    }
