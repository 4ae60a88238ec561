from pathlib import Path

import pytest

from tests.worker.drawing import CARD, CATALOG, denoiser, ignore, parameters
from worker.drawing import Drawing
from worker.phases import best_tile


@pytest.mark.parametrize(
    ("most", "sides", "tile"),
    [
        (64, (128, 128), 60),  # the last of three tiles is 38 wide; of 64, it would be 32
        (64, (96, 96), 64),
        (64, (97, 97), 52),  # of 64, a strip of one pixel would be left
        (64, (65, 32), 52),
        (32, (128, 128), 32),
        (16, (32, 32), 16),
    ],
)
def test_tiles_leave_no_narrow_strip(most: int, sides: tuple[int, int], tile: int) -> None:
    assert best_tile(most, sides, overlap=0.25) == tile


@pytest.mark.parametrize("size", [(256, 256), (256, 136), (232, 248)])
def test_a_picture_put_together_from_tiles_has_its_full_size(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    planned = denoiser(tmp_path).planned(CATALOG.default)
    planned.ladder = (CARD.ladder[1],)
    request = parameters(width=width, height=height, num_inference_steps=1)
    assert Drawing(planned, CARD, request, ignore).draw().images[0].size == size
