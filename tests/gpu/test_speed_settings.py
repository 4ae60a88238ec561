"""What only a CUDA device can show of the settings that make it fast: `make test-gpu`. Random weights in the real
configuration of Stable Diffusion 1.5. Minutes: a whole UNet is compiled.

Without such a device every test here fails, and says so.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch._dynamo.utils import counters

from bench.memory import model_of
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from contract.rung import Rung
from tests.random_models import write_model
from tests.worker.drawing import difference, ignore
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.device import Device, choose_device
from worker.settings import WorkerSettings, configure_compiler

MIB = 1024**2
BUCKETS = (1, 2)
DRIFT = 8
"""Of 255: half precision rounds differently in every kernel, and each step goes on from there."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", autouse=True)
def card() -> Device:
    assert torch.cuda.is_available(), "these tests need a CUDA device"
    return choose_device(WorkerSettings(device="cuda"))


@pytest.fixture(scope="module")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return model_of("sd15", write_model(tmp_path_factory.mktemp("models") / "sd15", "sd15", "full", "random"))


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory, card: Device, sd15: Model) -> Denoiser:
    draw = Denoiser(ModelCatalog([sd15]), WorkerSettings(data_dir=tmp_path_factory.mktemp("eager")), card)
    draw.warm_up()
    return draw


@pytest.fixture(scope="module")
def expected(eager: Denoiser, sd15: Model) -> dict[int, Drawn]:
    """What is drawn without a compiler, before there is one in this process."""
    return {images: eager(asked(sd15, images), ignore) for images in (1, 2, 3)}


@pytest.fixture(scope="module")
def warm(
    tmp_path_factory: pytest.TempPathFactory, card: Device, sd15: Model, eager: Denoiser, expected: dict[int, Drawn]
) -> Iterator[tuple[Denoiser, list[Any]]]:
    assert expected
    eager.models.drop("sd15")
    settings = WorkerSettings(data_dir=tmp_path_factory.mktemp("warm"), compile=True, compile_batches=BUCKETS)
    configure_compiler(settings)
    draw = Denoiser(ModelCatalog([sd15]), settings, card)
    with capture_logs() as lines:
        draw.warm_up()
    yield draw, lines
    draw.models.drop("sd15")
    torch.compiler.set_stance("default")


def asked(model: Model, images: int) -> GenerationParameters:
    return model.complete(GenerationRequest(prompt="a fox", num_inference_steps=4, num_images_per_prompt=images), 1)


def graphs() -> int:
    made: int = counters["stats"]["unique_graphs"]
    return made


def test_each_bucket_is_compiled_once_and_before_any_job(warm: tuple[Denoiser, list[Any]], sd15: Model) -> None:
    draw, lines = warm
    assert [line["images"] for line in lines if line["event"] == "bucket_warmed"] == list(BUCKETS)
    before = graphs()
    for images in (1, 2, 3, 1):
        draw(asked(sd15, images), ignore)
    assert graphs() == before


@pytest.mark.parametrize("images", BUCKETS)
def test_a_compiled_picture_is_within_the_drift_of_half_precision(
    warm: tuple[Denoiser, list[Any]], expected: dict[int, Drawn], sd15: Model, images: int
) -> None:
    assert difference(warm[0](asked(sd15, images), ignore), expected[images]) <= DRIFT


def test_what_is_in_no_bucket_is_drawn_as_without_a_compiler(
    warm: tuple[Denoiser, list[Any]], expected: dict[int, Drawn], sd15: Model
) -> None:
    assert difference(warm[0](asked(sd15, 3), ignore), expected[3]) <= 1


def test_compiling_changes_no_rung_and_takes_no_more_than_was_predicted(
    warm: tuple[Denoiser, list[Any]], eager: Denoiser, sd15: Model
) -> None:
    planned, of_eager = warm[0].planned(sd15), eager.planned(sd15)
    for images in BUCKETS:
        demand = planned.demand(asked(sd15, images))
        plan = planned.look_ahead(demand)
        warm[0](asked(sd15, images), ignore)
        assert planned.rung is plan.rung is Rung.ON_DEVICE
        assert planned.peak_bytes <= of_eager.look_ahead(demand).predicted_bytes


def test_memory_that_runs_out_in_compiled_code_costs_a_rung_and_no_job(
    warm: tuple[Denoiser, list[Any]], expected: dict[int, Drawn], card: Device, sd15: Model
) -> None:
    taken: list[torch.Tensor] = []

    def take(step: int, _total: int, _peek: object) -> None:
        if step == 1 and not taken:  # behind the plan's back, all but a little
            taken.append(torch.empty(card.free_bytes - 60 * MIB, dtype=torch.uint8, device="cuda"))

    drawn = warm[0](asked(sd15, 2), take)
    assert warm[0].ran_out()
    assert difference(drawn, expected[2]) <= DRIFT
    taken.clear()
    card.collect()
    assert len(warm[0](asked(sd15, 1), ignore).images) == 1


def test_weights_are_laid_out_for_tensor_cores_on_every_rung(eager: Denoiser, card: Device, sd15: Model) -> None:
    planned = eager.planned(sd15)
    ladder = planned.ladder
    for rung in (Rung.ON_DEVICE, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD):
        planned.ladder = (rung,)
        eager(asked(sd15, 1), ignore)
        pipeline = planned.pipeline(planned.look_ahead(planned.default_demand())).pipeline
        assert pipeline.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last), rung
    planned.ladder = ladder
    eager.models.drop("sd15")
    card.collect()


def test_float32_is_computed_in_tf32() -> None:
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32
