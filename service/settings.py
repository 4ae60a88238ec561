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
    retention_seconds: Annotated[int, Field(ge=1)] = 24 * 3600

    @property
    def allowed_host_names(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())
