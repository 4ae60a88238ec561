"""models.toml, read and checked: which models are on offer.

Knows files and entries; knows nothing of pipelines. A source is resolved, never opened.
"""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contract.errors import CatalogError, ParametersRefused, Refusal
from contract.model import Model


class ModelCatalog:
    """The models on offer, in the order of models.toml; the first is the default."""

    def __init__(self, models: list[Model]) -> None:
        self.models = {model.id: model for model in models}
        self.default = models[0]

    def choose(self, model_id: str | None) -> Model:
        """The model with that id, or the default. Raises ParametersRefused for an id that is not on offer."""
        if model_id is None:
            return self.default
        if model_id not in self.models:
            raise ParametersRefused([Refusal("/model", f"must be one of {', '.join(self.models)}")])
        return self.models[model_id]


def read_model_catalog(path: Path) -> ModelCatalog:
    """The catalog in a TOML file of `[[models]]` tables.

    The folders and files that entries name are taken from the file's own folder. Raises CatalogError.
    """
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from None
    tables = document.get("models")
    if not isinstance(tables, list) or not tables:
        raise CatalogError(f"{path}: holds no [[models]] table")
    models = [_read_model(path, index, table) for index, table in enumerate(tables)]
    names = [model.id for model in models]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise CatalogError(f"{path}: the id {repeated!r} is used more than once")
    return ModelCatalog(models)


def _read_model(path: Path, index: int, table: dict[str, Any]) -> Model:
    try:
        model = Model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        name = table.get("id", index + 1) if isinstance(table, dict) else index + 1
        reason = first["msg"].removeprefix("Value error, ")
        raise CatalogError(f"{path}: model {name!r}: {key + ': ' if key else ''}{reason}") from None
    if model.revision:
        return model
    places = {"source": model.source, "config": model.config}
    here = {key: str((path.parent / place).resolve()) for key, place in places.items() if place}
    return model.model_copy(update=here)
