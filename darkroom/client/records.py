"""What the service answers with, as frozen records; docs/api.md says what each field means.

Fields that a newer service adds are kept as they came. Words out of a list that may grow, such as a status, are plain
text for the same reason. Knows nothing of HTTP.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

AxisValue = str | int | float | bool | None


class Record(BaseModel):
    """Equal where everything that was answered is."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Progress(Record):
    """Denoising steps done, of those that the job takes."""

    step: int
    total: int


class GenerationParameters(Record):
    """What is drawn; `client.generate(**dict(job.parameters))` gives the same pictures."""

    prompt: str
    negative_prompt: str
    model: str
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    num_images_per_prompt: int
    seed: int
    scheduler: str
    prompt_weighting: bool = False
    clip_skip: int = 0
    embed_parameters: bool = True
    output_format: str


class AppliedStyle(Record):
    """The style that was asked for, and the prompts before it."""

    name: str
    prompt: str
    negative_prompt: str | None


class GeneratedImage(Record):
    """One picture, without its bytes; both URLs are relative to the service. `signed_url` needs no key, for a while."""

    url: str
    index: int
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    signed_url: str = Field(repr=False)


class JobError(Record):
    """Why a job failed; `code` is stable, `detail` is for people."""

    code: str
    detail: str


class JobWarning(Record):
    """What a job did not fail for; `code` is stable, `detail` is for people."""

    code: str
    detail: str


class Timings(Record):
    """Where a job's time went, in seconds; None where it did not get so far."""

    queued_seconds: float | None = None
    load_seconds: float | None = None
    denoise_seconds: float | None = None
    decode_seconds: float | None = None
    filter_seconds: float | None = None
    store_seconds: float | None = None


class Attempt(Record):
    """One try to deliver an event to a webhook."""

    at: datetime
    status_code: int | None = None
    error: str | None = None
    seconds: float


class Delivery(Record):
    """One event on its way to a webhook."""

    id: str
    event: str
    state: str
    created_at: datetime
    tries: int = 0
    attempts: list[Attempt] = []
    next_attempt_at: datetime | None = None


class Webhook(Record):
    """A job's webhook, and what it was told."""

    url: str
    events: list[str]
    deliveries: list[Delivery]


class Job(Record):
    """A request for pictures: in line, running or ended."""

    id: str
    status: str
    queue_position: int | None
    eta_seconds: float | None
    progress: Progress | None
    parameters: GenerationParameters
    style: AppliedStyle | None
    labels: Mapping[str, str]
    grid_id: str | None
    images: list[GeneratedImage]
    error: JobError | None
    warnings: list[JobWarning]
    attempts: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    deadline_at: datetime
    expires_at: datetime | None
    timings: Timings
    webhook: Webhook | None
    exclusive: bool
    batch_size: int | None
    rung: str | None

    @property
    def ended(self) -> bool:
        return self.status in ("succeeded", "failed", "canceled")


class Axis(Record):
    """A parameter of a grid, and its values: of `x` from left to right, of `y` from top to bottom."""

    parameter: str
    values: list[AxisValue]


class CellCounts(Record):
    """How many cells there are of each status; `gone` are those that are no longer kept."""

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    gone: int = 0


class GridCell(Record):
    """One job of a grid; `image` is the first that it has."""

    x: AxisValue
    y: AxisValue
    job_id: str
    status: str
    error: JobError | None
    image: GeneratedImage | None
    timings: Timings


class Grid(Record):
    """Jobs that differ in one or two parameters; `cells` are row by row, `progress` is 0 to 1."""

    id: str
    status: str
    counts: CellCounts
    progress: float
    eta_seconds: float | None
    created_at: datetime
    x: Axis
    y: Axis | None
    sheet_url: str
    sheet_signed_url: str = Field(repr=False)
    cells: list[GridCell]

    @property
    def ended(self) -> bool:
        return self.status == "ended"


class Unmapped(Record):
    """What a file says and no request can, and why."""

    name: str
    value: str
    detail: str


class Inspection(Record):
    """What an image file says of where it comes from; `parameters` can be asked for again."""

    parameters: Mapping[str, Any]
    index: int
    seed: int | None
    software: str
    model: str | None
    text: str | None
    marked_as_ai: bool
    width: int
    height: int
    content_type: str
    unmapped: list[Unmapped]


class FieldProblem(Record):
    """One field that cannot be taken: a JSON pointer (RFC 6901) into the request, and the limit."""

    pointer: str
    detail: str
