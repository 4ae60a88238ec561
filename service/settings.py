"""What the service reads from the environment."""

from typing import Annotated

from pydantic import Field

from contract.settings import ContractSettings


class ServiceSettings(ContractSettings):
    """Read once in `__main__`, from variables named DARKROOM_<FIELD>."""

    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: str = ""
    """Comma-separated names, beside loopback, that a Host header may hold; `*` for any."""
    job_timeout_seconds: Annotated[int, Field(ge=1)] = 600
    """How long a job may run."""
    retention_seconds: Annotated[int, Field(ge=1)] = 24 * 3600
    tombstone_seconds: Annotated[int, Field(ge=0)] = 24 * 3600
    """How long a job that is no longer kept is answered with 410, and not as one that never was."""
    max_deadline_seconds: Annotated[int, Field(ge=1)] = 24 * 3600
    """The deadline of a job whose request names none, and the longest one that it may name."""
    max_queued_jobs: Annotated[int, Field(ge=1)] = 10_000
    """Of all owners together."""
    owner_max_queued_jobs: Annotated[int, Field(ge=1)] = 1000
    owner_requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    max_cost: Annotated[int, Field(ge=1)] = 10**9
    """Of a request: pixels, times steps, times images."""

    @property
    def allowed_host_names(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())
