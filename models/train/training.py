"""What every training here does: steps that can be interrupted, a learning rate, averaged weights, and news of it.

Knows optimizers and checkpoints; knows nothing of what is learned.
"""

import argparse
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from models.train.compose import RUN_FOLDER

TELL_EVERY = 100
"""Steps."""


def train_steps(
    path: Path,
    model: nn.Module,
    average: AveragedModel,
    optimizer: Optimizer,
    *,
    steps: int,
    peak: float,
    save_every: int,
    loss_of_step: Callable[[int], torch.Tensor],
    saved: Callable[[], None] = lambda: None,
) -> None:
    """Goes on from the checkpoint at `path` to `steps`, saves there every so many steps, and calls `saved` each time.

    Each step's random numbers come from its own number alone, so that a training that was interrupted draws what one
    in one piece does: `loss_of_step` takes its own from there, too. `peak` is the highest learning rate.
    """
    started, losses = time.monotonic(), []
    for step in range(load_checkpoint(path, model, average, optimizer), steps):
        set_learning_rate(optimizer, step, steps, peak)
        torch.manual_seed(step)
        loss = loss_of_step(step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss.item())
        if (step + 1) % TELL_EVERY == 0:
            mean, seconds = np.mean(losses[-TELL_EVERY:]), time.monotonic() - started
            print(f"step {step + 1} loss {mean:.4f} {seconds:.0f} s", flush=True)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            save_checkpoint(path, step + 1, model, average, optimizer)
            saved()


def save_checkpoint(path: Path, step: int, model: nn.Module, average: nn.Module, optimizer: Optimizer) -> None:
    """Atomically: a run that is killed goes on from its last save."""
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


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the device computes in it; a CPU that does not takes twice the time for it."""
    fast = device.type != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast)


def read_options(about: str | None, *, steps: int, batch_size: int, learning_rate: float) -> argparse.Namespace:
    """The options of a training: `folder`, `steps`, `batch_size`, `learning_rate` and `device`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()
