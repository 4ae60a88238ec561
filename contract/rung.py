"""The rungs of the memory ladder: how a model is laid out on its device, from most memory to least.

Knows their names and order; what each does is the worker's.
"""

from enum import StrEnum
from typing import Literal


class Rung(StrEnum):
    """In the order in which they are tried; each needs less of the device's memory than the one before, and more time.

    on_device            every part of the model on the device
    vae_tiling           the decode in tiles
    smaller_batch        fewer images in one pipeline call
    model_offload        only the part that computes is on the device
    group_offload        only the layers that compute, the next ones copied meanwhile
    sequential_offload   only the layer that computes
    cpu                  nothing on the device
    """

    ON_DEVICE = "on_device"
    VAE_TILING = "vae_tiling"
    SMALLER_BATCH = "smaller_batch"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"
    CPU = "cpu"


MemoryChoice = Literal[
    "auto", "on_device", "vae_tiling", "smaller_batch", "model_offload", "group_offload", "sequential_offload", "cpu"
]
"""A rung to begin with, or the first one that fits."""
