"""What both sides read from the environment. Each side's own settings extend these."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ContractSettings(BaseSettings):
    """Read once in a `__main__` from variables named DARKROOM_<FIELD>, and passed in."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True, extra="ignore")

    redis_url: str = "redis://127.0.0.1:6379/0"
    data_dir: Path = Path("data")
    models: Path = Path("models.toml")

    @property
    def image_store(self) -> Path:
        return self.data_dir / "images"
