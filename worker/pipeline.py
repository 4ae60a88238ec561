"""Loads a pipeline from safetensors and makes it ready to draw.

Knows diffusers' loading and its errors; knows nothing of jobs or memory settings.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import transformers
from diffusers import AutoPipelineForText2Image
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from contract.errors import CatalogError
from contract.model_catalog import Model
from worker.memory import MemoryPlan, choose_device, plan_memory
from worker.schedulers import build_scheduler
from worker.settings import WorkerSettings

for library in (diffusers, transformers):
    library.utils.logging.disable_progress_bar()


@dataclass(frozen=True)
class WarmPipeline:
    """A pipeline that is ready to draw, with the scheduler configuration it came with."""

    model: Model
    pipeline: Any
    """A diffusers text-to-image pipeline; their classes share no useful base."""
    scheduler_config: dict[str, Any]
    plan: MemoryPlan


def load_pipeline(model: Model, settings: WorkerSettings) -> WarmPipeline:
    """Loads and lays out a model. Raises CatalogError that names the model and says what to do."""
    device = choose_device(settings.device)
    plan = plan_memory(settings.memory, device, _weight_bytes(model), settings.attention_slicing)
    if not Path(model.source).is_dir():
        _reach_hub(model)
    try:
        pipeline = AutoPipelineForText2Image.from_pretrained(  # type: ignore[no-untyped-call]
            model.source,
            revision=model.revision,
            variant=model.variant,
            dtype=plan.dtype,
            use_safetensors=True,
            low_cpu_mem_usage=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise CatalogError(f"model {model.id!r}: {model.source} cannot be loaded: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    plan.apply(pipeline)
    scheduler_config = dict(pipeline.scheduler.config)
    for name in model.schedulers:
        build_scheduler(name, scheduler_config)
    return WarmPipeline(model, pipeline, scheduler_config, plan)


def _reach_hub(model: Model) -> None:
    """Fetches the smallest file of a hub model: diffusers hides why it cannot be had."""
    name = f"model {model.id!r}: {model.source}"
    try:
        hf_hub_download(model.source, "model_index.json", revision=model.revision)
    except GatedRepoError as error:
        raise CatalogError(f"{name} is gated: accept its licence on its page, then set HF_TOKEN") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CatalogError(
            f"{name} is neither a folder here nor a repository on the hub that can be seen with this HF_TOKEN"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise CatalogError(
            f"{name} is not on this machine and the hub cannot be reached: connect once so that it can be downloaded, "
            "or set `source` to a folder that holds it"
        ) from error


def _weight_bytes(model: Model) -> int:
    """Bytes of the safetensors of a local folder; 0 where they are not here yet, and everything is taken to fit."""
    folder = Path(model.source)
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors")) if folder.is_dir() else 0
