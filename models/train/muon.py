"""Muon for the matrices and kernels of a network, AdamW for the rest of it.

After Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), scaled to AdamW's updates as in
Liu et al., "Muon is Scalable for LLM Training" (arXiv 2502.16982). torch's own takes no kernels, and computes in
bfloat16 wherever it runs. Knows parameters and gradients; knows nothing of what they are of.
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration; from the first source."""
ITERATIONS = 5
UPDATE_SIZE = 0.2
"""Root mean square of an update at a learning rate of 1: what AdamW's are like; from the second source."""


class Muon(torch.optim.AdamW):
    """Parameters of two dimensions and more get orthogonal updates, but those whose names end as one in `but` does.

    Kernels are matrices here: one row for each channel that comes out.
    """

    def __init__(self, model: nn.Module, lr: float, but: Collection[str], **adamw: Any) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            (others if parameter.ndim < 2 or name.endswith(tuple(but)) else matrices).append(parameter)
        groups = [{"params": matrices, "orthogonal": True}, {"params": others, "orthogonal": False}]
        super().__init__(groups, lr, **adamw)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        for group in self.param_groups:
            if group["orthogonal"]:
                for parameter in group["params"]:
                    self._update(parameter, group["lr"], group["weight_decay"])
                    parameter.grad = None  # so AdamW passes it over
        loss: float | None = super().step(closure)
        return loss

    def _update(self, parameter: torch.Tensor, lr: float, weight_decay: float) -> None:
        if parameter.grad is None:
            return
        state = self.state[parameter]
        if not state:
            # AdamW wants a step in every state that is loaded.
            state.update(step=torch.zeros(()), momentum=torch.zeros_like(parameter))
        momentum = state["momentum"]
        momentum.lerp_(parameter.grad, 1 - MOMENTUM)
        update = orthogonal(parameter.grad.lerp(momentum, MOMENTUM).flatten(1))
        parameter.mul_(1 - lr * weight_decay)
        parameter.add_(update.view_as(parameter), alpha=-lr * UPDATE_SIZE * math.sqrt(max(update.shape)))


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Nearly the orthogonal matrix nearest to `matrix`: its singular values come to between about 0.7 and 1.2."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: torch.Tensor = x.T if tall else x
    return result
