"""What `darkroom serve` reads from the environment beside its own options, and what the client does."""

import os
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CompletionSettings(BaseSettings):
    """What is set when a shell asks what could come next: by the script that `darkroom --show-completion` prints."""

    model_config = SettingsConfigDict(env_prefix="_", frozen=True, extra="ignore")

    darkroom_complete: str = ""

    @property
    def for_bash(self) -> bool:
        return self.darkroom_complete == "complete_bash"


class ServeSettings(BaseSettings):
    """Variables named DARKROOM_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True, extra="ignore")

    redis_url: str | None = None
    """Use this Redis and start none."""
    shutdown_grace_seconds: float = 20.0
    log_format: str = "console"
    """For people, also where they read it later in a file."""
    api_keys_file: Path | None = None
    """The service's; here only to say how it is asked."""


class ClientSettings(BaseSettings):
    """Variables named DARKROOM_<FIELD>: which service the client asks, and as whom."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True, extra="ignore")

    url: str = "http://127.0.0.1:8000"
    api_key: SecretStr = SecretStr("")
    """None if empty."""


def variables(**settings: str) -> dict[str, str]:
    """Some of Darkroom's settings, as they stand in an environment."""
    return {f"DARKROOM_{name.upper()}": value for name, value in settings.items()}


def environment_with(**settings: str) -> dict[str, str]:
    """This process's environment for a child, with some of Darkroom's settings in it."""
    return os.environ | variables(**settings)
