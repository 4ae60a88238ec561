"""Every way Darkroom's own code says no, each with a stable code.

    DarkroomError
    ├── SettingsError            the environment holds a value that cannot be used
    ├── CatalogError             models.toml or styles.toml cannot be used
    ├── ParametersRefused        a request names what is not on offer, or is outside the limits of its model
    ├── StoreError               the image store did not do what was asked
    │   └── StoreFull            because it has no room
    └── JobFailed                how a running job ends in failure; the code reaches the client
        ├── DeadlineExceeded     deadline_exceeded
        ├── GenerationFailed     generation_failed
        ├── ImageFiltered        image_filtered
        ├── InvalidOutput        invalid_output
        ├── JobRefused           invalid_job
        ├── ModelUnavailable     model_unavailable
        ├── OutOfMemory          out_of_memory
        ├── StorageFull          storage_full
        └── StorageUnavailable   storage_unavailable

`worker_crashed`, the failure of a job that took three workers with it, is written by scripts/reap.lua.
Knows neither HTTP statuses nor torch.
"""

from typing import ClassVar, NamedTuple


class DarkroomError(Exception):
    """The root of the tree."""


class SettingsError(DarkroomError):
    """The environment holds a value that cannot be used. The message names each variable and the reason."""


class CatalogError(DarkroomError):
    """models.toml or styles.toml cannot be used. The message names the file, the entry, the key and the reason."""


class Refusal(NamedTuple):
    """One field of a request that cannot be taken: a JSON pointer (RFC 6901) and the limit it breaks."""

    pointer: str
    detail: str


class ParametersRefused(DarkroomError):
    """A request names what is not on offer, or is outside the limits of its model."""

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__("; ".join(f"{refusal.pointer}: {refusal.detail}" for refusal in refusals))
        self.refusals = refusals


class StoreError(DarkroomError):
    """The image store did not do what was asked."""


class StoreFull(StoreError):
    """The image store has no room for an object."""


class JobFailed(DarkroomError):
    """A running job cannot succeed. The message is shown to the client: it holds no paths and no tracebacks."""

    code: ClassVar[str]


class DeadlineExceeded(JobFailed):
    """The job ran longer than it may."""

    code = "deadline_exceeded"


class GenerationFailed(JobFailed):
    """The pipeline raised an error of its own."""

    code = "generation_failed"


class ImageFiltered(JobFailed):
    """The image filter withheld every picture. A warning of the same code stands for one where others are left."""

    code = "image_filtered"


class InvalidOutput(JobFailed):
    """The pipeline gave numbers that are no picture."""

    code = "invalid_output"


class JobRefused(JobFailed):
    """The record in Redis is not one that the service writes."""

    code = "invalid_job"


class ModelUnavailable(JobFailed):
    """The job's model cannot be loaded."""

    code = "model_unavailable"


class OutOfMemory(JobFailed):
    """The device has not enough memory for this request."""

    code = "out_of_memory"


class StorageFull(JobFailed):
    """There is no room for the pictures."""

    code = "storage_full"


class StorageUnavailable(JobFailed):
    """The pictures could not be stored."""

    code = "storage_unavailable"
