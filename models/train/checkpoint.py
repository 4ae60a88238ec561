"""Where a training run stands: saved atomically, so that a killed run goes on from its last save."""

import math
import os
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer


def save_checkpoint(path: Path, step: int, model: nn.Module, average: nn.Module, optimizer: Optimizer) -> None:
    part = path.with_suffix(".part")
    parts = {"model": model, "average": average, "optimizer": optimizer}
    torch.save({"step": step} | {name: thing.state_dict() for name, thing in parts.items()}, part)
    os.replace(part, path)


def load_checkpoint(path: Path, model: nn.Module, average: nn.Module, optimizer: Optimizer) -> int:
    """Restores all three in place; the number of steps done, 0 where there is no checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def learning_rate(step: int, steps: int, peak: float, warmup: int = 100) -> float:
    """Linear warm-up, then the peak, then a cosine to 2 % of it over the last 40 % of the steps.

    The long flat part lets a run be prolonged: resume it with more steps.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    decay_from = 0.6 * steps
    if step < decay_from:
        return peak
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - decay_from) / (steps - decay_from))))
