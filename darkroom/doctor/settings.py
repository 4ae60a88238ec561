"""What `darkroom doctor` reads from the environment. Text alone: whatever stands there, it must get to its checks."""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from darkroom.settings import ServeSettings

_PREFIX = "DARKROOM_"
_READ_ELSEWHERE = ("DARKROOM_API_KEY", "DARKROOM_REDIS_PASSWORD", "DARKROOM_TORCH_INDEX")
"""By the client, and by Docker Compose."""


class DoctorSettings(BaseSettings):
    """Variables named DARKROOM_<FIELD>; the rooms say whether their values can be used."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore")

    url: str | None = None
    """Of a service somewhere else, for those who only ask it for pictures."""
    redis_url: str | None = None
    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: str = "8000"


def known_variables() -> set[str]:
    """The variables that somebody else than the two rooms reads."""
    fields = (*DoctorSettings.model_fields, *ServeSettings.model_fields)
    return {*_READ_ELSEWHERE, *(f"{_PREFIX}{field.upper()}" for field in fields)}


def variables_set() -> list[str]:
    """The names of all that are set, Darkroom's and others'."""
    return sorted(os.environ)
