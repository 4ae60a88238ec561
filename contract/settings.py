"""What both sides read from the environment. Each side's own settings extend these."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.errors import SettingsError


class ContractSettings(BaseSettings):
    """Read once in a `__main__` from variables named DARKROOM_<FIELD>, and passed in."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True, extra="ignore")

    redis_url: str = "redis://127.0.0.1:6379/0"
    data_dir: Path = Path("data")
    models: Path = Path("models.toml")

    @property
    def image_store(self) -> Path:
        return self.data_dir / "images"


Settings = TypeVar("Settings", bound=ContractSettings)


def read_settings(kind: type[Settings]) -> Settings:
    """The settings of one side. Raises SettingsError."""
    try:
        return kind()
    except ValidationError as error:
        reasons = [f"DARKROOM_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        raise SettingsError("; ".join(reasons)) from None
