"""ExpectedLatents: what a scheduler takes the clean latents to be, after each of its steps.

Some schedulers tell it beside the latents. For the others it follows from what the step was called with: for predicted
noise see Song et al., "Denoising diffusion implicit models", equation 9, for velocity Salimans and Ho, "Progressive
distillation", appendix D, for flow matching Esser et al., "Scaling rectified flow transformers", section 2. Knows
schedulers; knows nothing of pipelines, or of who looks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from math import sqrt
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler

_FLOW_MATCHING = (FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler)


class ExpectedLatents:
    """Of one scheduler. Between steps it holds references, and computes or copies nothing until it is asked."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._latest: Callable[[int], torch.Tensor | None] = _none

    def of(self, index: int) -> torch.Tensor | None:
        """Of the image of that index in the batch, as a batch of one in the CPU's memory, by the latest step.

        None where no step was kept, and where the scheduler's kind of prediction is not known.
        """
        return self._latest(index)

    def forget(self) -> None:
        """Lets the tensors of the latest step go."""
        self._latest = _none

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While it is open, each step of the scheduler is kept until the next one, or until it is forgotten."""
        step = self._scheduler.step

        @wraps(step)  # pipelines look at what it takes
        def kept_step(
            model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *, return_dict: bool = True, **options: Any
        ) -> Any:
            output = step(model_output, timestep, sample, return_dict=True, **options)
            told = getattr(output, "pred_original_sample", None)
            if told is None:
                self._latest = lambda index: self._follows_from(
                    _one(model_output, index), timestep, _one(sample, index)
                )
            else:
                self._latest = lambda index: _one(told, index)
            return output if return_dict else output.to_tuple()

        self._scheduler.step = kept_step
        try:
            yield
        finally:
            del self._scheduler.step  # else the scheduler would hold itself, and what it keeps on the device
            self.forget()

    def _follows_from(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor) -> torch.Tensor | None:
        config = self._scheduler.config
        if isinstance(self._scheduler, _FLOW_MATCHING):
            return sample - float(timestep) / int(config.num_train_timesteps) * model_output
        power = float(self._scheduler.alphas_cumprod[int(timestep)])
        signal, noise = sqrt(power), sqrt(1 - power)
        match config.prediction_type:
            case "epsilon" if signal > 0:
                return (sample - noise * model_output) / signal
            case "v_prediction":
                return signal * sample - noise * model_output
            case "sample":
                return model_output
        return None


def _none(_index: int) -> None:
    """No step is kept."""


def _one(batch: torch.Tensor, index: int) -> torch.Tensor:
    """In the CPU's memory and in float32: what is computed takes none of the device's."""
    return batch[index : index + 1].cpu().float()
