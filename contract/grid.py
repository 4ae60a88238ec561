"""A grid: jobs that differ in one or two parameters alone, one for each cell; its JSON, and how it comes from Redis.

What is told of a grid is told from its jobs. Knows nothing of who writes or reads it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from contract.job import (
    FROM_RQ,
    GeneratedImage,
    JobError,
    JobStatus,
    Sign,
    StoredImage,
    Timings,
    error_from_record,
    public_images,
    stored_images,
    timings_from_record,
)

MAX_CELLS = 100

AxisParameter = Literal[
    "prompt",
    "negative_prompt",
    "model",
    "width",
    "height",
    "num_inference_steps",
    "guidance_scale",
    "seed",
    "scheduler",
    "style",
    "prompt_weighting",
    "clip_skip",
]
CellStatus = Literal["queued", "running", "succeeded", "failed", "canceled", "gone"]
AxisValue = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
"""Whatever its parameter takes; null as if it were left out."""

CELL_STATE_FIELDS = (
    "status",
    "cost",
    "step",
    "total",
)
"""The fields of a job's hash that say how far it is, in the order in which the scripts return them."""
CELL_FIELDS = (
    *CELL_STATE_FIELDS,
    "created_at",
    "started_at",
    "error_code",
    "error_detail",
    "images",
    "timings",
)
"""Those that make a `GridCell`."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Axis(_Part):
    """A parameter, and its values from left to right or from top to bottom."""

    parameter: AxisParameter
    values: Annotated[list[AxisValue], Field(min_length=1, max_length=MAX_CELLS)]


class GridShape(_Part):
    """What a grid keeps beside its jobs. The size is that of the largest picture, in pixels."""

    x: Axis
    y: Axis | None
    cell_width: int
    cell_height: int

    @property
    def coordinates(self) -> list[tuple[Any, Any]]:
        """The values of x and y of every cell, row by row; y is None where there is one row alone."""
        return [(x, y) for y in (self.y.values if self.y else [None]) for x in self.x.values]


class GridStatus(StrEnum):
    """None of its jobs has begun; some have; all have ended."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class CellCounts(_Part):
    """How many cells there are of each status."""

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    gone: int = 0


class GridCell(_Part):
    """One job of a grid; `image` is the first that it has."""

    x: AxisValue
    y: AxisValue
    job_id: str
    status: Annotated[CellStatus, Field(description="its job's; gone if that is no longer kept")]
    error: JobError | None
    image: GeneratedImage | None
    timings: Timings


class GridSummary(_Part):
    """A grid without its cells."""

    id: str
    status: GridStatus
    counts: CellCounts
    progress: Annotated[float, Field(description="0 to 1, by the work that its cells are")]
    eta_seconds: Annotated[
        float | None, Field(description="until its last job's end, as jobs went so far; null if ended or not known")
    ]
    created_at: datetime
    x: Axis
    y: Axis | None
    sheet_url: str
    sheet_signed_url: Annotated[str, Field(description="works without an API key, for a while")]


class Grid(GridSummary):
    """A grid with its cells, row by row."""

    cells: list[GridCell]


@dataclass(frozen=True)
class CellRecord:
    """A job of a grid as the scripts tell it; `status` is None where it is no longer kept."""

    job_id: str
    status: JobStatus | None
    cost: int
    done: float
    error: JobError | None
    images: list[StoredImage]
    timings: Timings

    @property
    def ended(self) -> bool:
        return self.status is None or self.status.ended

    @property
    def shown_status(self) -> CellStatus:
        return self.status.value if self.status else "gone"


@dataclass(frozen=True)
class GridRecord:
    """A grid as the scripts tell it; some of its cells' fields are empty where it is told without them."""

    id: str
    created_at: datetime
    shape: GridShape
    eta_seconds: float | None
    cells: list[CellRecord]

    @property
    def status(self) -> GridStatus:
        if all(cell.ended for cell in self.cells):
            return GridStatus.ENDED
        if all(cell.status is JobStatus.QUEUED for cell in self.cells):
            return GridStatus.QUEUED
        return GridStatus.RUNNING

    @property
    def progress(self) -> float:
        kept = [cell for cell in self.cells if cell.status is not None]
        return round(sum(cell.cost * cell.done for cell in kept) / sum(cell.cost for cell in kept), 3)

    def summary(self, sign: Sign) -> GridSummary:
        return GridSummary(**self._summary(sign))

    def grid(self, sign: Sign) -> Grid:
        cells = zip(self.shape.coordinates, self.cells, strict=True)
        return Grid(**self._summary(sign), cells=[_cell(x, y, cell, sign) for (x, y), cell in cells])

    def _summary(self, sign: Sign) -> dict[str, Any]:
        sheet_url = f"/grids/{self.id}/sheet.png"
        return {
            "id": self.id,
            "status": self.status,
            "counts": CellCounts.model_validate(Counter(cell.shown_status for cell in self.cells)),
            "progress": self.progress,
            "eta_seconds": self.eta_seconds,
            "created_at": self.created_at,
            "x": self.shape.x,
            "y": self.shape.y,
            "sheet_url": sheet_url,
            "sheet_signed_url": sign(sheet_url),
        }


def grid_from_record(grid_id: str, record: Sequence[Any]) -> GridRecord:
    """The grid from what scripts/*.lua return: when it was made, its shape, the seconds to its end, its cells."""
    created_at, shape, seconds, cells = record
    return GridRecord(
        id=grid_id,
        created_at=datetime.fromisoformat(created_at),
        shape=GridShape.model_validate_json(shape),
        eta_seconds=round(float(seconds), 1) if seconds else None,
        cells=[_cell_record(job_id, values) for job_id, *values in cells],
    )


def _cell_record(job_id: str, values: Sequence[str | None]) -> CellRecord:
    # As many as were asked for.
    field = dict.fromkeys(CELL_FIELDS) | dict(zip(CELL_FIELDS, values, strict=False))
    status = FROM_RQ[field["status"]] if field["status"] else None
    created_at, started_at = (
        datetime.fromisoformat(text) if text else None for text in (field["created_at"], field["started_at"])
    )
    return CellRecord(
        job_id=job_id,
        status=status,
        cost=int(field["cost"] or 1),
        done=1.0 if status is None or status.ended else int(field["step"] or 0) / int(field["total"] or 1),
        error=error_from_record(status, field["error_code"], field["error_detail"]) if created_at else None,
        images=stored_images.validate_json(field["images"] or "[]"),
        timings=timings_from_record(field["timings"], created_at, started_at) if created_at else Timings(),
    )


def _cell(x: Any, y: Any, cell: CellRecord, sign: Sign) -> GridCell:
    return GridCell(
        x=x,
        y=y,
        job_id=cell.job_id,
        status=cell.shown_status,
        error=cell.error,
        image=next(iter(public_images(cell.job_id, cell.images, sign)), None),
        timings=cell.timings,
    )
