"""How waiting for a job or a grid can end other than well."""

from typing import ClassVar

from darkroom.client.errors.base import DarkroomError
from darkroom.client.records import Grid, Job


class WaitTimeout(DarkroomError):
    """The job has not ended in time. It goes on: wait again, or cancel it. `job` is what was last known of it."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.job = job

    def __str__(self) -> str:
        return f"job {self.job.id} has not ended yet: it is {self.job.status}"


class GridWaitTimeout(DarkroomError):
    """Not all jobs of the grid have ended in time. They go on. `grid` is what was last known of it."""

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid)
        self.grid = grid

    def __str__(self) -> str:
        return f"grid {self.grid.id} has not ended yet: it is {self.grid.status}"


class JobCanceled(DarkroomError):
    """The job was canceled, by whomever."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.job = job

    def __str__(self) -> str:
        return f"job {self.job.id} was canceled"


class JobFailed(DarkroomError):
    """The job failed; `code` says why to a program, `detail` to people. This class itself for a code unknown here."""

    classes: ClassVar[dict[str, type["JobFailed"]]] = {}
    """By code."""

    def __init_subclass__(cls, *, code: str) -> None:
        JobFailed.classes[code] = cls

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.job = job
        self.code = job.error.code if job.error else ""
        self.detail = job.error.detail if job.error else ""

    def __str__(self) -> str:
        return f"job {self.job.id} failed, {self.code}: {self.detail}"


class DeadlineExceeded(JobFailed, code="deadline_exceeded"):
    """It ran longer than it may, or was not drawn by its deadline."""


class GenerationFailed(JobFailed, code="generation_failed"):
    """The pipeline, or what judges its pictures, raised an error."""


class ImageFiltered(JobFailed, code="image_filtered"):
    """Every picture was withheld."""


class InvalidJob(JobFailed, code="invalid_job"):
    """Its record was not written by the service."""


class InvalidOutput(JobFailed, code="invalid_output"):
    """The pipeline gave no picture."""


class ModelUnavailable(JobFailed, code="model_unavailable"):
    """Its model cannot be loaded."""


class OutOfMemory(JobFailed, code="out_of_memory"):
    """Memory ran out, or would have; the detail says what would fit."""


class JobStorageFull(JobFailed, code="storage_full"):
    """There was no room for its pictures. `StorageFull` is what a submit is answered with then."""


class StorageUnavailable(JobFailed, code="storage_unavailable"):
    """Its pictures could not be stored."""


class WorkerCrashed(JobFailed, code="worker_crashed"):
    """Three workers died while running it."""


def not_succeeded(job: Job) -> JobFailed | JobCanceled | None:
    """The error that the end of a job is; None where it succeeded."""
    if job.status == "succeeded":
        return None
    if job.status == "canceled":
        return JobCanceled(job)
    return JobFailed.classes.get(job.error.code if job.error else "", JobFailed)(job)
