"""What is compiled, when, and what becomes of all else. The compiler's last stage is one that counts what it runs.

Code that a C compiler makes takes a minute on two cores: tests/compile.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from structlog.testing import capture_logs

from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from contract.rung import MemoryChoice, Rung
from tests.random_models import write_model, write_shallow_model
from tests.worker.drawing import CARD, CPU, bytes_of, denoiser, difference, ignore
from tests.worker.test_kinds import ENTRIES, local
from tests.worker.test_planned_model import Counting
from worker import compilation
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.device import Device
from worker.execution import DeviceLost

STEPS = 3
Draw = Callable[..., Drawn]
Compiled = Callable[..., Denoiser]


class Backend:
    """Runs a graph as it is, and counts."""

    def __init__(self) -> None:
        self.graphs = 0
        self.runs = 0
        self.fails_at = 0
        self.runs_out_at = 0
        self.error: Exception = RuntimeError("no such instruction")

    def __call__(self, graph: Callable[..., Any], _inputs: Any) -> Callable[..., Any]:
        if self.graphs + 1 == self.fails_at:
            raise self.error
        self.graphs += 1

        def run(*arguments: Any) -> Any:
            self.runs += 1
            if self.runs == self.runs_out_at:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
            return graph(*arguments)

        return run


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> ModelCatalog:
    return ModelCatalog([at_64("sd15", write_shallow_model(tmp_path_factory.mktemp("models") / "sd15"))])


def at_64(model_id: str, folder: Path) -> Model:
    """The entry that ships, at a size that takes no time."""
    defaults = ENTRIES[model_id]["defaults"] | {"width": 64, "height": 64, "num_inference_steps": STEPS}
    limits = ENTRIES[model_id]["limits"] | {"num_images_per_prompt": 8}
    return local(model_id, folder, variant=None, defaults=defaults, limits=limits)


@contextmanager
def compiling_by(backend: Backend) -> Iterator[Backend]:
    limit = torch._dynamo.config.cache_size_limit
    torch._dynamo.reset()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "BACKEND", backend)
        yield backend
    torch.compiler.set_stance("default")
    torch._dynamo.config.cache_size_limit = limit
    torch._dynamo.reset()


@pytest.fixture
def backend() -> Iterator[Backend]:
    with compiling_by(Backend()) as backend:
        yield backend


@pytest.fixture(scope="module")
def expected(catalog: ModelCatalog, tmp_path_factory: pytest.TempPathFactory) -> Draw:
    """What the same worker draws without a compiler."""
    draw = denoiser(tmp_path_factory.mktemp("eager"), catalog=catalog)
    return lambda **changes: draw(parameters(catalog, **changes), ignore)


@dataclass
class Warm:
    """A worker after its warm-up, with code for one image and for two."""

    draw: Denoiser
    backend: Backend
    lines: list[Any]

    def runs(self, asked: GenerationParameters) -> tuple[Drawn, int]:
        """What is drawn, and how often compiled code ran for it; none is made."""
        before, made = self.backend.runs, self.backend.graphs
        drawn = self.draw(asked, ignore)
        assert self.backend.graphs == made
        return drawn, self.backend.runs - before


@pytest.fixture(scope="module")
def warm(catalog: ModelCatalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    card = Counting("cpu", CARD.ladder)
    folder = tmp_path_factory.mktemp("warm")
    with compiling_by(Backend()) as backend, capture_logs() as lines:
        draw = denoiser(folder, card, catalog, compile=True, compile_batches=(2, 1))
        draw.warm_up()
        yield Warm(draw, backend, lines)


def parameters(catalog: ModelCatalog, **changes: Any) -> GenerationParameters:
    return catalog.default.complete(GenerationRequest(**{"prompt": "a fox"} | changes), 1)


def test_a_bucket_is_compiled_in_the_warm_up(warm: Warm) -> None:
    told = [(each["model"], each["images"], each["width"]) for each in warm.lines if each["event"] == "bucket_warmed"]
    assert told == [("sd15", 1, 64), ("sd15", 2, 64)]
    assert all(line["seconds"] > 0 for line in warm.lines if line["event"] == "bucket_warmed")
    assert warm.backend.graphs == 2


def test_compiling_changes_neither_the_rung_nor_what_is_known_of_peaks(
    warm: Warm, catalog: ModelCatalog, tmp_path: Path
) -> None:
    plain = denoiser(tmp_path, Counting("cpu", CARD.ladder), catalog)
    plain.warm_up()
    planned, of_plain = (each.planned(catalog.default) for each in (warm.draw, plain))
    assert planned.rung is of_plain.rung is Rung.ON_DEVICE
    assert planned.memory.peaks == of_plain.memory.peaks != {}
    predicted = {each.look_ahead(each.default_demand()).predicted_bytes for each in (planned, of_plain)}
    assert len(predicted) == 1


@pytest.mark.parametrize("images", [1, 2])
def test_a_job_in_a_bucket_is_drawn_by_its_code(warm: Warm, catalog: ModelCatalog, expected: Draw, images: int) -> None:
    drawn, runs = warm.runs(parameters(catalog, num_images_per_prompt=images))
    assert runs == STEPS
    assert difference(drawn, expected(num_images_per_prompt=images)) <= 1


@pytest.mark.parametrize("changes", [{"num_images_per_prompt": 3}, {"width": 128}, {"prompt": "a fox, " * 60}])
def test_what_is_in_no_bucket_is_drawn_as_it_is_and_waits_for_no_compiler(
    warm: Warm, catalog: ModelCatalog, expected: Draw, changes: dict[str, Any]
) -> None:
    drawn, runs = warm.runs(parameters(catalog, **changes))
    assert bytes_of(drawn) == bytes_of(expected(**changes))
    assert runs == 0


def test_rows_are_what_counts_so_that_two_images_without_guidance_are_one_with_it(
    warm: Warm, catalog: ModelCatalog, expected: Draw
) -> None:
    changes = {"num_images_per_prompt": 2, "guidance_scale": 1.0}
    drawn, runs = warm.runs(parameters(catalog, **changes))
    assert runs == STEPS
    assert difference(drawn, expected(**changes)) <= 1


def test_memory_that_runs_out_in_compiled_code_is_an_outcome_as_ever(
    warm: Warm, catalog: ModelCatalog, expected: Draw
) -> None:
    warm.backend.runs_out_at = warm.backend.runs + 2
    drawn, runs = warm.runs(parameters(catalog, num_images_per_prompt=2))
    assert drawn.batch_size == 1
    assert runs == 2 + 2 * STEPS
    assert difference(drawn, expected(num_images_per_prompt=2)) <= 1
    assert warm.draw.report()["sd15"].rung is Rung.SMALLER_BATCH


def test_a_model_that_is_loaded_anew_finds_its_code(warm: Warm, catalog: ModelCatalog) -> None:
    warm.draw.models.drop("sd15")
    assert warm.runs(parameters(catalog))[1] == STEPS


@pytest.fixture
def compiled(catalog: ModelCatalog, backend: Backend, tmp_path: Path) -> Compiled:
    """A worker that compiles, before its warm-up; `backend` sees what."""

    def make(*batches: int, device: Device = CARD, **settings: Any) -> Denoiser:
        assert backend.graphs == 0
        return denoiser(tmp_path, device, catalog, compile=True, compile_batches=batches, **settings)

    return make


def test_a_compiler_that_fails_costs_one_warning_and_no_job(
    compiled: Compiled, catalog: ModelCatalog, backend: Backend, expected: Draw
) -> None:
    backend.fails_at = 1
    draw = compiled(1, 2)
    with capture_logs() as lines:
        draw.warm_up()
    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["event"], line["images"]) for line in warnings] == [("compile_failed", 1)]
    assert "no such instruction" in warnings[0]["reason"]
    assert bytes_of(draw(parameters(catalog), ignore)) == bytes_of(expected())
    assert backend.runs == 0


def test_a_compiler_that_loses_the_device_ends_the_worker(compiled: Compiled, backend: Backend) -> None:
    backend.fails_at, backend.error = 1, RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(DeviceLost):
        compiled(1).warm_up()


def test_a_bucket_for_which_memory_runs_out_leaves_the_smaller_ones(
    compiled: Compiled, catalog: ModelCatalog, backend: Backend, expected: Draw
) -> None:
    backend.fails_at, backend.error = 2, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
    draw = compiled(1, 2)
    with capture_logs() as lines:
        draw.warm_up()
    assert [line["images"] for line in lines if line["event"] == "compile_failed"] == [2]
    backend.runs = 0
    draw(parameters(catalog), ignore)
    assert backend.runs == STEPS
    drawn = draw(parameters(catalog, num_images_per_prompt=2), ignore)
    assert backend.runs == STEPS
    assert bytes_of(drawn) == bytes_of(expected(num_images_per_prompt=2))


@pytest.mark.parametrize(("device", "memory"), [(CARD, Rung.MODEL_OFFLOAD), (CARD, Rung.GROUP_OFFLOAD), (CPU, "auto")])
def test_weights_that_do_not_stay_on_a_device_are_not_compiled_and_the_log_says_so(
    compiled: Compiled, catalog: ModelCatalog, backend: Backend, expected: Draw, device: Device, memory: MemoryChoice
) -> None:
    draw = compiled(1, 2, device=device, memory=memory)
    with capture_logs() as lines:
        draw.warm_up()
    told = [(line["event"], line["log_level"]) for line in lines if "compile" in line["event"]]
    assert told == [("not_compiled", "warning")]
    assert not draw.models._entries["sd15"].loaded.setup.compiled
    assert bytes_of(draw(parameters(catalog), ignore)) == bytes_of(expected())
    assert (backend.runs, backend.graphs) == (0, 0)


def test_a_bucket_that_one_call_has_no_room_for_is_left_out(
    compiled: Compiled, catalog: ModelCatalog, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = compiled(64)
    planned = draw.planned(catalog.default)
    room = planned.look_ahead(planned.default_demand()).predicted_bytes / 0.94
    monkeypatch.setattr(type(CARD), "free_bytes", property(lambda _: int(room)))
    with capture_logs() as lines:
        draw.warm_up()
    assert [line["images"] for line in lines if line["event"] == "not_compiled"] == [64]
    assert backend.graphs == 0


def test_only_the_default_model_is_compiled_and_only_where_that_is_wanted(
    catalog: ModelCatalog, backend: Backend, tmp_path: Path
) -> None:
    twins = ModelCatalog([catalog.default.model_copy(update={"id": "twin"}), catalog.default])
    for draw in (denoiser(tmp_path, catalog=catalog), denoiser(tmp_path, catalog=twins, compile=True)):
        draw.warm_up(catalog.default)
        draw(parameters(catalog), ignore)
    assert (backend.runs, backend.graphs) == (0, 0)


def test_of_a_transformers_blocks_one_is_compiled_for_all_that_are_alike(tmp_path: Path, backend: Backend) -> None:
    write_model(tmp_path / "flux", "flux", "tiny", "random")
    flux = ModelCatalog([at_64("flux-schnell", tmp_path / "flux")])
    draw = denoiser(tmp_path, catalog=flux, compile=True, compile_batches=(1,))
    draw.warm_up()
    transformer = draw.models._entries["flux-schnell"].loaded.pipeline.transformer
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    made = backend.graphs
    backend.runs = 0
    draw(parameters(flux), ignore)
    assert backend.runs == STEPS * len(blocks)
    assert backend.graphs == made < len(blocks)
