"""What the service reads from the environment."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from contract.loopback import is_loopback
from contract.settings import ContractSettings
from service.webhooks.receivers import AllowedReceivers, read_allowed


class KeysSettings(BaseSettings):
    """What `darkroom keys` reads: it must work before the service has all that it needs."""

    model_config = ContractSettings.model_config

    api_keys_file: Path | None = None


class ServiceSettings(ContractSettings):
    """Read once in `__main__`, from variables named DARKROOM_<FIELD>."""

    access_log: bool = False
    """A line for each request: who asked which route, and how it was answered."""
    styles: Path = Path("styles.toml")
    api_keys_file: Path | None = None
    """Whoever asks must show a key of this file; None: nobody is asked for one."""
    allow_anonymous: bool = False
    """Listen on any address without keys, because something else protects it."""
    host: str = "127.0.0.1"
    # The system takes any number, modulo 65536.
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    public_url: str | None = None
    """What clients call the service, behind a proxy; None: what the request calls it."""
    metrics: bool = True
    """Answer GET /metrics, to anybody."""
    allowed_hosts: str = ""
    """Comma-separated names, beside loopback, that a Host header may hold; `*` for any."""
    job_timeout_seconds: Annotated[int, Field(ge=1)] = 600
    """How long a job may run."""
    retention_seconds: Annotated[int, Field(ge=1)] = 24 * 3600
    minimum_retention_seconds: Annotated[int, Field(ge=0)] = 300
    """A younger result is kept even where the store is over its limit: its client must be able to fetch it."""
    min_free_bytes: Annotated[int, Field(ge=0)] = 256 * 1024**2
    """With less free on the disk of the pictures no new job is taken; 0: not looked at."""
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
    prompt_policy: Path | None = None
    """The terms that a prompt must not hold; None: every prompt is drawn."""
    secret_file: Path | None = None
    """At least 32 bytes that several services share; None: a file in the data folder, made if missing."""
    embed_parameters: bool = True
    """Whether files hold the prompt and all else that draws them again, where the request does not say."""
    signed_url_seconds: Annotated[int, Field(ge=60)] = 3600
    """How long a signed image URL opens its picture, at least."""
    webhook_allow: str = ""
    """Comma-separated names, addresses and networks that webhooks may call although they are inside, and over http."""
    webhook_retry_scale: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Times every delay between two tries of a webhook."""

    @field_validator("host")
    @classmethod
    def _keep_strangers_out(cls, host: str, info: ValidationInfo) -> str:
        if is_loopback(host) or info.data.get("api_keys_file") or info.data.get("allow_anonymous"):
            return host
        raise ValueError(
            f"{host!r} can be reached from other machines, and the service asks for no key: set DARKROOM_API_KEYS_FILE"
            " (`darkroom keys add NAME` makes it), or DARKROOM_ALLOW_ANONYMOUS=1 where something else protects it"
        )

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http:// or https:// URL without query and fragment")
        return url.rstrip("/")

    @field_validator("webhook_allow")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        read_allowed(text)
        return text

    @property
    def allowed_receivers(self) -> AllowedReceivers:
        return read_allowed(self.webhook_allow)

    @property
    def allowed_host_names(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())
