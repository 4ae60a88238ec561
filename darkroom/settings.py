"""What `darkroom serve` reads from the environment, beside its own options."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServeSettings(BaseSettings):
    """Variables named DARKROOM_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True, extra="ignore")

    redis_url: str | None = None
    """Use this Redis and start none."""
    shutdown_grace_seconds: float = 20.0
