"""Where a model's files are: a folder, a single file, or a snapshot of a hub repository; and how they get there.

Knows the hub and its errors; knows nothing of pipelines' insides or devices.
"""

from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from contract.errors import CatalogError
from contract.model import Model
from contract.model_catalog import ModelCatalog
from worker.footprint import FEATURE_EXTRACTOR, NOT_LOADED, SAFETY_CHECKER


def check_local_sources(catalog: ModelCatalog, catalog_path: Path) -> None:
    """Raises CatalogError with file, entry and key where a folder or file that an entry names is not there."""
    for model in catalog.models.values():
        if model.revision:
            continue
        source = Path(model.source)
        if not (source.is_file() if model.is_file else source.is_dir()):
            kind = "file" if model.is_file else "folder"
            advice = "" if model.is_file else "; a hub repository needs its revision beside it"
            raise CatalogError(f"{catalog_path}: model {model.id!r}: source: there is no {kind} {source}{advice}")
        folder, key = (Path(model.config), "config") if model.config else (source, "source")
        if not (folder / "model_index.json").is_file():
            raise CatalogError(f"{catalog_path}: model {model.id!r}: {key}: {folder} holds no model_index.json")


def locate(model: Model, allow_downloads: bool, safety_checker: bool) -> Path:
    """The folder or file that holds the model's weights, and its safety checker where it is wanted and there is one.

    Raises CatalogError that says how to get them.
    """
    if not model.revision:
        return Path(model.source)
    if allow_downloads:
        return download(model, safety_checker)
    # Not by the snapshot as a whole: of a repository, only what a pipeline needs is ever fetched.
    index = try_to_load_from_cache(model.source, "model_index.json", revision=model.revision)
    if not isinstance(index, str):
        raise CatalogError(
            f"model {model.id!r}: {model.source} is not on this machine: run `darkroom models pull {model.id}`, or set "
            "DARKROOM_ALLOW_DOWNLOADS=true"
        )
    return Path(index).parent


def download(model: Model, safety_checker: bool) -> Path:
    """Fetches what of a hub repository a text-to-image run needs, with progress bars where they are on."""
    _reach_hub(model)
    from diffusers import DiffusionPipeline  # takes seconds; whatever is wrong with models.toml is told without it

    without = dict.fromkeys(NOT_LOADED - ({SAFETY_CHECKER, FEATURE_EXTRACTOR} if safety_checker else set()))
    try:
        folder = DiffusionPipeline.download(
            model.source, revision=model.revision, variant=model.variant, use_safetensors=True, **without
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise CatalogError(f"model {model.id!r}: {model.source} cannot be downloaded: {error}") from error
    return Path(folder)


def _reach_hub(model: Model) -> None:
    """Fetches the smallest file of a hub model: diffusers hides why it cannot be had."""
    name = f"model {model.id!r}: {model.source}"
    try:
        hf_hub_download(model.source, "model_index.json", revision=model.revision)
    except GatedRepoError as error:
        raise CatalogError(f"{name} is gated: accept its licence on its page, then set HF_TOKEN") from error
    except RevisionNotFoundError as error:
        raise CatalogError(f"{name} has no revision {model.revision}") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CatalogError(f"{name} is not a repository on the hub that can be seen with this HF_TOKEN") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise CatalogError(
            f"{name} is not on this machine and the hub cannot be reached: connect once so that it can be downloaded, "
            "or set `source` to a folder that holds it"
        ) from error
