"""The optimizer of the denoiser: orthogonal updates for matrices and kernels, AdamW's for the rest."""

import pytest
import torch
from torch import nn

from models.train.muon import UPDATE_SIZE, Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16), (1, 5)])
def test_what_is_orthogonal_keeps_its_directions_and_loses_its_sizes(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonal(matrix)
    sizes_now = torch.linalg.svdvals(result)
    assert sizes_now.min() > 0.6
    assert sizes_now.max() < 1.3
    assert torch.allclose((left.T @ result @ right.T), torch.diag(torch.diag(left.T @ result @ right.T)), atol=1e-9)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 8)
        self.kernel = nn.Conv2d(4, 8, 3)
        self.matrix = nn.Linear(8, 16)


@pytest.mark.parametrize("gradient", [1e-4, 1e4])
def test_updates_are_as_large_as_the_learning_rate_says(gradient: float) -> None:
    torch.manual_seed(0)
    model = Network()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = Muon(model, 1e-2, but=["embedding.weight"], weight_decay=0)
    for parameter in model.parameters():
        parameter.grad = gradient * torch.randn_like(parameter)
    optimizer.step()
    moved = {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}
    sizes = {name: float(by.square().mean().sqrt()) / 1e-2 for name, by in moved.items()}
    for name in ("kernel.weight", "matrix.weight"):
        assert sizes.pop(name) == pytest.approx(UPDATE_SIZE, rel=0.3)
    # AdamW's first update is the sign of the gradient.
    assert sizes == {name: pytest.approx(1, rel=0.01) for name in ("embedding.weight", "kernel.bias", "matrix.bias")}


def test_what_has_no_gradient_stays() -> None:
    model = nn.Linear(3, 3)
    before = model.weight.detach().clone()
    Muon(model, 1.0, but=[]).step()
    assert torch.equal(model.weight, before)
