"""models.toml, read and checked: which models are on offer.

Knows files and entries; knows nothing of pipelines. A source is resolved, never opened.
"""

from pathlib import Path

from contract.errors import CatalogError, ParametersRefused, Refusal
from contract.model import Model
from contract.toml_tables import read_tables


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
    models = read_tables(path, Model, "model", "id")
    if not models:
        raise CatalogError(f"{path}: holds no [[models]] table")
    return ModelCatalog([_placed(path.parent, model) for model in models])


def _placed(folder: Path, model: Model) -> Model:
    """With the whole paths of what it names on this machine."""
    if model.revision:
        return model
    places = {"source": model.source, "config": model.config}
    here = {key: str((folder / place).resolve()) for key, place in places.items() if place}
    return model.model_copy(update=here)
