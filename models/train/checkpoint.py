"""Where a training run stands: saved atomically, so that a killed run goes on from its last save."""

import math
import os
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer


def save_checkpoint(path: Path, step: int, model: nn.Module, average: nn.Module, optimizer: Optimizer) -> None:
    part = path.with_suffix(".part")
    parts = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({"step": step} | parts, part)
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


def set_learning_rate(optimizer: Optimizer, step: int, steps: int, peak: float, warmup: int = 200) -> None:
    """Linear warm-up, then the peak, then a cosine to 2 % of it over the last 40 % of the steps.

    The long flat part lets a run be prolonged: resume it with more steps.
    """
    decay_from = 0.6 * steps
    done = max(0.0, (step - decay_from) / (steps - decay_from))
    rate = peak * min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
    for group in optimizer.param_groups:
        group["lr"] = rate


def seed_step(step: int) -> None:
    """Random numbers from the step's own number alone: a run that was interrupted draws what one in one piece does."""
    torch.manual_seed(step)
