"""Loads a pipeline from safetensors and lays it out on its device.

Knows diffusers' loading and its memory settings; knows nothing of jobs, or of which layout to choose.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoPipelineForText2Image, DiffusionPipeline
from diffusers.loaders.single_file_utils import SingleFileComponentError

from contract.errors import CatalogError
from contract.model import Model
from worker.compilation import compile_denoiser
from worker.device import is_out_of_memory
from worker.footprint import NOT_LOADED
from worker.image_filter import ImageFilter
from worker.memory_plan import Layout
from worker.prompt_cache import PromptCache
from worker.schedulers import build_scheduler
from worker.text_encoders import refuse_what_it_cannot

for library in (diffusers, transformers):
    library.utils.logging.disable_progress_bar()
    library.utils.logging.disable_default_handler()
    library.utils.logging.enable_propagation()

UNFIT = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, SingleFileComponentError)
"""What diffusers and transformers raise for files that are not what they should be."""


@dataclass(frozen=True)
class Setup:
    """How a pipeline is loaded: whatever of it changes, the pipeline is loaded anew."""

    layout: Layout
    device: str
    """torch's; the layout `cpu` computes on the CPU whatever the device."""
    dtype: torch.dtype
    vae_dtype: torch.dtype
    attention_slicing: bool = False
    compiled: bool = False
    """Only where nothing moves: the hooks of the other layouts are Python that a compiler cannot see through."""

    @property
    def execution_device(self) -> str:
        return "cpu" if self.layout is Layout.CPU else self.device


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline that is ready to draw, with the scheduler configuration it came with."""

    model: Model
    setup: Setup
    pipeline: Any
    """A diffusers text-to-image pipeline; their classes share no useful base."""
    scheduler_config: dict[str, Any]
    image_filters: tuple[ImageFilter, ...] = ()
    """What judges its pictures before anybody sees them."""
    prompts: PromptCache = field(default_factory=PromptCache)
    """Of what this pipeline's text encoders made, laid out as they are."""


def load_pipeline(model: Model, source: Path, setup: Setup) -> LoadedPipeline:
    """Loads and lays out a model. Raises CatalogError that names the model, and what says that memory ran out."""
    try:
        pipeline = _read(model, source, setup)
        _refuse_gaps(pipeline)
        refuse_what_it_cannot(model, pipeline)
        scheduler_config = dict(pipeline.scheduler.config)
        for scheduler in model.offered_schedulers:
            build_scheduler(scheduler.name, scheduler_config)
    except UNFIT as error:
        if is_out_of_memory(error):
            raise
        raise CatalogError(f"model {model.id!r}: {model.source} cannot be loaded: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    lay_out(pipeline, setup)
    return LoadedPipeline(model, setup, pipeline, scheduler_config)


def lay_out(pipeline: Any, setup: Setup) -> None:
    """Moves a freshly loaded pipeline to its device, or hooks it so that its parts move there in turn."""
    device = torch.device(setup.execution_device)
    if setup.attention_slicing:
        pipeline.enable_attention_slicing()
    if device.type == "cuda":
        use_channels_last(pipeline)
    vae = getattr(pipeline, "vae", None)
    if setup.layout is Layout.MODEL_OFFLOAD:
        pipeline.enable_model_cpu_offload(device=device)
    elif setup.layout is Layout.GROUP_OFFLOAD:
        # The autoencoder stays: its decode is not its forward, by which the streams learn what comes next.
        pipeline.enable_group_offload(
            onload_device=device,
            offload_type="leaf_level",
            use_stream=device.type == "cuda",
            low_cpu_mem_usage=True,
            exclude_modules="vae",
        )
        if vae is not None:
            vae.to(device)
    elif setup.layout is Layout.SEQUENTIAL_OFFLOAD:
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
        if setup.compiled:
            compile_denoiser(pipeline)


def use_channels_last(pipeline: Any) -> None:
    """Lays the convolutions' weights out as tensor cores take them: in half precision each call would do that anew.

    Before anything is hooked: what moves weights afterwards keeps their strides, so that every rung computes alike.
    """
    for name in ("unet", "vae"):
        part = getattr(pipeline, name, None)
        if part is not None and part.dtype in (torch.float16, torch.bfloat16):
            part.to(memory_format=torch.channels_last)


def _read(model: Model, source: Path, setup: Setup) -> Any:
    folder = Path(model.config) if model.config else source
    index = DiffusionPipeline.load_config(folder, local_files_only=True)
    options: dict[str, Any] = {name: None for name in NOT_LOADED if name in index}
    if "requires_safety_checker" in index or "safety_checker" in index:
        options["requires_safety_checker"] = False
    if model.is_file:
        return _read_file(source, folder, index, setup, options)
    return AutoPipelineForText2Image.from_pretrained(  # type: ignore[no-untyped-call]
        folder,
        variant=model.variant,
        dtype={"vae": setup.vae_dtype, "default": setup.dtype},
        use_safetensors=True,
        low_cpu_mem_usage=True,
        local_files_only=True,
        trust_remote_code=False,
        **options,
    )


def _read_file(source: Path, config: Path, index: dict[str, Any], setup: Setup, options: dict[str, Any]) -> Any:
    # Without a folder as its config, diffusers asks the hub for one, whatever local_files_only says.
    local = {"config": str(config), "local_files_only": True}
    # The autoencoder by itself: a file's pipeline is read in one precision.
    vae_class = getattr(diffusers, index["vae"][1])
    vae = vae_class.from_single_file(str(source), subfolder="vae", dtype=setup.vae_dtype, **local)
    pipeline_class = getattr(diffusers, index["_class_name"])
    return pipeline_class.from_single_file(str(source), vae=vae, dtype=setup.dtype, **local, **options)


def _refuse_gaps(pipeline: Any) -> None:
    """diffusers leaves what a single file lacks without data, and transformers makes do without a vocabulary."""
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            gap = next((tensor for tensor, data in part.named_parameters() if data.is_meta), None)
            if gap:
                raise ValueError(f"{name} lacks {gap}")
        elif isinstance(part, transformers.PreTrainedTokenizerBase) and len(part) <= len(part.all_special_tokens):
            raise ValueError(f"{name} has no vocabulary")
