"""Sizes for clients that do not know what a model draws."""

from pathlib import Path

import pytest

from contract.model import Model
from contract.model_catalog import read_model_catalog
from service.dialects.sizes import drawable_size, size_of_shape
from tests.conftest import ROOT

POCKET = read_model_catalog(Path(ROOT / "models.toml")).default
Size = tuple[int, int]


def model(own: Size, **limits: int) -> Model:
    """One that draws `own` where nothing else is asked for."""
    width, height = own
    defaults = POCKET.defaults.model_copy(update={"width": width, "height": height})
    return POCKET.model_copy(update={"defaults": defaults, "limits": POCKET.limits.model_copy(update=limits)})


XL = model((1024, 1024), width=2048, height=2048, pixels=1536 * 1024)


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((512, 512), (512, 512)),
        ((1000, 1001), (1000, 1000)),
        ((1536, 1024), (1536, 1024)),
        ((20, 10), (64, 64)),
        ((1792, 1024), (1352, 768)),  # more than may be: the model's own number of pixels
        ((2048, 2048), (1024, 1024)),
        ((3840, 2160), (1360, 768)),
        ((64, 4096), (64, 2048)),
        ((99999, 1), (2048, 64)),
    ],
)
def test_a_size_that_cannot_be_drawn_is_the_models_own_in_that_shape(asked: Size, drawn: Size) -> None:
    assert drawable_size(*asked, XL) == drawn


def test_a_shape_is_not_narrowed_by_how_its_root_is_rounded() -> None:
    assert size_of_shape(17, 17, model((768, 768), width=1024, height=1024, pixels=1024 * 1024)) == (768, 768)


@pytest.mark.parametrize("own", [(64, 64), (128, 128), (512, 768), (1024, 1024)])
@pytest.mark.parametrize("shape", [(1, 1), (16, 9), (9, 21), (1, 99), (300, 2), (4096, 4096), (4096, 8)])
def test_whatever_is_asked_for_the_model_takes_the_answer(own: Size, shape: Size) -> None:
    most = own[0] * own[1]
    for of in (model(own, width=1024, height=1024, pixels=most), model(own, width=own[0], height=own[1], pixels=most)):
        for width, height in (size_of_shape(*shape, of), drawable_size(*shape, of)):
            assert 64 <= width <= of.limits.width
            assert 64 <= height <= of.limits.height
            assert width % 8 == height % 8 == 0
            assert width * height <= most
