"""One number that is a scale for each row."""

import pytest
import torch

from worker.guidance import RowScales, guidance_scale


def test_each_row_is_multiplied_by_its_own() -> None:
    ones = torch.ones(3, 4, 2, 2)
    for _ in range(2):
        assert (guidance_scale([7.5, 1.5, 3.0]) * ones)[:, 0, 0, 0].tolist() == [7.5, 1.5, 3.0]
    assert (guidance_scale([7.5, 1.5, 3.0]) * torch.ones(3, 5))[:, 0].tolist() == [7.5, 1.5, 3.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_row_is_what_a_plain_number_would_make_of_it(dtype: torch.dtype) -> None:
    rows = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    scaled = RowScales([7.3, 2.7]) * rows
    assert scaled.dtype is dtype
    assert torch.equal(scaled, torch.cat([7.3 * rows[:1], 2.7 * rows[1:]]))


def test_compared_it_is_the_smallest() -> None:
    assert 1 < RowScales([7.5, 1.5]) < 1.6


@pytest.mark.parametrize("scales", [[4.0, 4.0], [0.0, 1.0, 0.5]])
def test_scales_that_are_equal_or_do_not_guide_are_a_plain_number(scales: list[float]) -> None:
    assert type(guidance_scale(scales)) is float


def test_what_is_no_tensor_is_not_multiplied_by_one_of_them() -> None:
    with pytest.raises(TypeError):
        RowScales([7.5, 1.5]) * 2
