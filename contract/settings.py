"""What both sides read from the environment. Each side's own settings extend these."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis import ConnectionPool

from contract.errors import SettingsError
from contract.loopback import is_loopback
from contract.reasons import reason_of


class LogSettings(BaseSettings):
    """How a process writes its log: needed before all other settings, to say what is wrong with them."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True, extra="ignore")

    log_format: Literal["auto", "console", "json"] = "auto"
    """auto: for people on a terminal, JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class ContractSettings(LogSettings):
    """Read once in a `__main__` from variables named DARKROOM_<FIELD>, and passed in."""

    allow_open_redis: bool = False
    """Use a Redis of another machine that asks for no password: whoever reaches it can read and write every job."""
    redis_url: str = "redis://127.0.0.1:6379/0"
    data_dir: Path = Path("data")
    models: Path = Path("models.toml")
    store_limit_bytes: Annotated[int, Field(gt=0)] | None = None
    """What the pictures of all jobs may take together."""
    mark_ai: bool = True
    """Whether every file says that an AI made its picture."""
    tracing: bool = False
    """Send spans to an OpenTelemetry collector; which one, the SDK reads from its own OTEL_ variables."""

    @property
    def image_store(self) -> Path:
        return self.data_dir / "images"

    @field_validator("redis_url")
    @classmethod
    def _keep_redis_closed(cls, url: str, info: ValidationInfo) -> str:
        try:
            pool = ConnectionPool.from_url(url)
            pool.connection_class(**pool.connection_kwargs)  # which knows its options, and does not connect yet
        except (ValueError, TypeError):  # whose text may hold a piece of the password
            reason = (
                "is no redis://, rediss:// or unix:// URL, or has an option that is none;"
                " in a password @ : / ? # and % are percent-encoded"
            )
            raise ValueError(reason) from None
        options = pool.connection_kwargs
        # Without a host it is a socket, or the client's own default.
        if (
            is_loopback(options.get("host", "localhost"))
            or options.get("password")
            or info.data.get("allow_open_redis")
        ):
            return url
        raise ValueError(
            "names a Redis of another machine without a password: set one there and in the URL,"
            " or set DARKROOM_ALLOW_OPEN_REDIS=1 where a network of its own protects it"
        )


Settings = TypeVar("Settings", bound=ContractSettings)


def read_log_settings() -> LogSettings:
    """The defaults where they cannot be used: read_settings says why, in a log that is written like that."""
    try:
        return LogSettings()
    except ValidationError:
        return LogSettings.model_construct()


def read_settings(kind: type[Settings]) -> Settings:
    """The settings of one side. Raises SettingsError."""
    try:
        return kind()
    except ValidationError as error:
        reasons = [f"DARKROOM_{name.upper()}: {reason}" for name, reason in _reasons(error)]
        raise SettingsError("; ".join(reasons)) from None


def read_usable_settings(kind: type[Settings]) -> tuple[Settings, dict[str, str]]:
    """The settings of one side with the defaults of those that cannot be used, and of these why, by their field."""
    try:
        return kind(), {}
    except ValidationError as error:
        reasons = dict(_reasons(error))
    defaults: dict[str, Any] = {name: kind.model_fields[name].default for name in reasons}
    return kind(**defaults), reasons


def _reasons(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Field and reason of each of its errors."""
    for each in error.errors():
        # Behind a setting's name, the number of a value in its list.
        yield str(each["loc"][0]), reason_of(each)
