"""The denoiser, compiled by torch.compile for the calls made in a warm-up, and run as it is in all others.

Knows PyTorch's compiler; knows nothing of jobs, or of the shapes that a model should be compiled for.
"""

from contextlib import AbstractContextManager
from typing import Any

import torch
import torch._dynamo

BACKEND = "inductor"
"""In its default mode. CUDA graphs (`reduce-overhead`) hold memory of their own for each shape, of which no plan knows,
and need weights that never move, while a model here can be parked."""

_RECOMPILE_LIMIT = 64
"""How often one function may be compiled: once for each bucket and each kind of block. At PyTorch's own limit of 8 what
comes after would be run as it is, and nothing would say so."""

COMPILER_FAILURES = (RuntimeError, OSError, ImportError)
"""What it raises, and what runs for the first time after it. Its own errors, such as TorchDynamoException, are
RuntimeErrors, as is memory that runs out; the others are of its cache and of the C compiler."""


def compile_denoiser(pipeline: Any) -> None:
    """In place, and for later: code is made only within `compiling`. Anywhere else a call that has none runs as it is.

    A transformer's blocks are alike: one is compiled for all of them. Those of a UNet differ, and its convolutions are
    in none of them: it is compiled as a whole, which takes longer.
    """
    torch.compiler.set_stance("eager_on_recompile")
    torch._dynamo.config.cache_size_limit = _RECOMPILE_LIMIT
    # Sizes are not left open: code that takes any batch is slower, and a second size would make such code.
    options: dict[str, Any] = {"backend": BACKEND, "dynamic": False}
    denoiser: Any = getattr(pipeline, "transformer", None) or pipeline.unet
    if hasattr(pipeline, "unet") or not denoiser._repeated_blocks:
        denoiser.compile(**options)
    else:
        denoiser.compile_repeated_blocks(**options)


def compiling() -> AbstractContextManager[Any]:
    """While it is open, calls that have no code yet are compiled."""
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("default")
    return stance
