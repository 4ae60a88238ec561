"""Memory that runs out, on the real bundled model, by an allocator that raises torch's own error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from contract.errors import DeadlineExceeded, GenerationFailed, OutOfMemory
from contract.rung import Rung
from tests.allocator import Allocator
from tests.worker.drawing import CARD, POCKET_BYTES, bytes_of, denoiser, difference, ignore, parameters
from worker import drawing
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.execution import DeviceLost

STEPS = 3
FOUR = {"num_images_per_prompt": 4, "num_inference_steps": STEPS}


@pytest.fixture
def draw(tmp_path: Path) -> Denoiser:
    draw = denoiser(tmp_path)
    draw.warm_up()
    return draw


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return denoiser(tmp_path_factory.mktemp("undisturbed"))(parameters(**FOUR), ignore)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, phase: str, *allocations: int, calls: int = 1000) -> Iterator[list[int]]:
    """Runs the first calls of a phase with an allocator that fails; yields the calls that were made."""
    original, made = getattr(drawing, phase), []

    def limited(*arguments: Any) -> Any:
        made.append(len(made))
        if len(made) > calls:
            return original(*arguments)
        with Allocator(*allocations):
            return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(drawing, phase, limited)
        yield made


def test_how_often_memory_ran_out_is_counted_by_rung_and_images_by_call(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert draw.ran_out() == {}
    with failing(monkeypatch, "draw_latents", 1, calls=1):
        drawn = draw(parameters(**FOUR), ignore)
    assert (drawn.batch_size, drawn.rung) == (2, Rung.SMALLER_BATCH)
    assert draw.ran_out() == {("pocket", Rung.ON_DEVICE): 1}


@pytest.mark.parametrize("allocation", [1, 30, 200, 500])
def test_a_step_that_runs_out_is_drawn_again_in_smaller_batches(
    draw: Denoiser, undisturbed: Drawn, monkeypatch: pytest.MonkeyPatch, allocation: int
) -> None:
    with failing(monkeypatch, "draw_latents", allocation, calls=1) as calls:
        drawn = draw(parameters(**FOUR), ignore)
    assert len(calls) == 3  # all four, and then two and two
    assert difference(drawn, undisturbed) <= 1
    assert draw.report()["pocket"].rung is Rung.SMALLER_BATCH


def test_a_decode_that_runs_out_is_decoded_again_in_tiles_and_nothing_else_is_redone(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    with failing(monkeypatch, "decode", 40, calls=1) as calls:
        drawn = draw(parameters(**FOUR, width=256, height=256), lambda step, *_: steps.append(step))
    assert steps == [1, 2, 3, *[3] * 4]  # the last one again: before a retry and between decodes the deadline is asked
    assert len(calls) == 5
    assert len(drawn.images) == 4
    assert drawn.rung is draw.report()["pocket"].rung is Rung.VAE_TILING


def test_pictures_that_are_done_are_kept_when_a_later_one_runs_out(
    draw: Denoiser, undisturbed: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, made = drawing.decode, []

    def third_fails(*arguments: Any) -> Any:
        made.append(1)
        if len(made) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(*arguments)

    monkeypatch.setattr(drawing, "decode", third_fails)
    drawn = draw(parameters(**FOUR), ignore)
    assert len(made) == 5
    assert bytes_of(drawn)[:2] == bytes_of(undisturbed)[:2]


def test_a_single_image_goes_down_the_layouts_and_stays_the_same(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = draw(parameters(), ignore)
    with failing(monkeypatch, "draw_latents", 100, calls=2) as calls, capture_logs() as lines:
        drawn = draw(parameters(), ignore)
    assert len(calls) == 3
    told = [(line["event"], line["rung"]) for line in lines if "rung" in line]
    assert told[:2] == [("memory_ran_out", "on_device"), ("rung_stepped_down", "model_offload")]
    assert told[2:] == [("memory_ran_out", "model_offload"), ("rung_stepped_down", "group_offload")]
    assert bytes_of(drawn) == bytes_of(alone)
    assert alone.rung is Rung.ON_DEVICE
    assert drawn.rung is draw.report()["pocket"].rung is Rung.GROUP_OFFLOAD


def test_after_three_retries_the_job_fails_with_what_was_tried_and_what_would_fit(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        failing(monkeypatch, "draw_latents", 100) as calls,
        pytest.raises(OutOfMemory, match="Memory ran out") as caught,
    ):
        draw(parameters(num_images_per_prompt=8), ignore)
    assert len(calls) == 4
    assert str(caught.value) == (
        "Memory ran out. Tried: on_device with 8 images at once (draw); smaller_batch with 4 images at once (draw); "
        "smaller_batch with 2 images at once (draw); smaller_batch with 1 image at once (draw). "
        "One image of 128x128 would fit, by the estimate."
    )


def test_where_nothing_is_left_to_try_the_job_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = denoiser(tmp_path, memory=Rung.GROUP_OFFLOAD)
    with failing(monkeypatch, "draw_latents", 1) as calls, pytest.raises(OutOfMemory, match="group_offload with 1"):
        draw(parameters(), ignore)
    assert len(calls) == 1


def test_the_next_job_runs_normally_and_no_memory_is_left_behind(
    draw: Denoiser, undisturbed: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Allocator() as allocator:
        draw(parameters(**FOUR), ignore)
        draw.device.collect()
        before = allocator.live
        with failing(monkeypatch, "draw_latents", 300), pytest.raises(OutOfMemory):
            draw(parameters(**FOUR), ignore)
        drawn = draw(parameters(**FOUR), ignore)
        weights = draw.models.host_bytes
        draw.device.collect()
        left = allocator.live - before
    assert difference(drawn, undisturbed) <= 1
    # The model was loaded anew under the allocator: its weights, and no more.
    assert left <= weights + 100_000


def test_the_rung_that_worked_is_remembered_and_left_again_after_ten_good_runs(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, "draw_latents", 100, calls=1):
        draw(parameters(num_inference_steps=1), ignore)
    rungs = []
    for _ in range(14):
        draw(parameters(num_inference_steps=1), ignore)
        rungs.append(draw.report()["pocket"].rung)
    # Ten runs without a failure forget it; three more show that the room is there to stay.
    assert rungs == [Rung.MODEL_OFFLOAD] * 12 + [Rung.ON_DEVICE] * 2


def test_a_smaller_request_does_not_reload_the_model_at_once(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    with failing(monkeypatch, "draw_latents", 100, calls=1):
        draw(parameters(), ignore)
    smaller = parameters(width=64, height=64, num_inference_steps=1)
    rungs = []
    for _ in range(5):
        draw(smaller, ignore)
        rungs.append(draw.report()["pocket"].rung)
    assert rungs == [Rung.MODEL_OFFLOAD] * 3 + [Rung.ON_DEVICE] * 2


def test_a_retry_does_not_outlive_the_deadline(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_step: int, _total: int, _peek: object) -> None:
        raise DeadlineExceeded("too late")

    with failing(monkeypatch, "draw_latents", 100) as calls, pytest.raises(DeadlineExceeded):
        draw(parameters(**FOUR), late)
    assert len(calls) == 1


def test_progress_counts_the_steps_of_all_pipeline_calls(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    with failing(monkeypatch, "draw_latents", 500, calls=1):
        draw(parameters(**FOUR), lambda step, total, _: seen.append((step, total)))
    assert seen[-9:-3] == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
    assert seen[-3:] == [(6, 6)] * 3  # between the decodes


def test_loading_that_runs_out_of_memory_steps_down_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = denoiser(tmp_path)
    original, loads = draw.models._load, []

    def first_fails(*arguments: Any) -> Any:
        loads.append(1)
        if len(loads) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(*arguments)

    monkeypatch.setattr(draw.models, "_load", first_fails)
    assert len(draw(parameters(), ignore).images) == 1
    assert draw.report()["pocket"].rung is Rung.MODEL_OFFLOAD


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 2.00 MiB.",
        "CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA",
        "HIP out of memory.",
        "MPS backend out of memory (MPS allocated: 1 GB)",
        "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9.",
    ],
)
def test_every_way_of_saying_that_memory_ran_out_is_understood(words: str) -> None:
    assert drawing.is_out_of_memory(RuntimeError(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("CUDA error: an illegal memory access was encountered", DeviceLost),
        ("CUDA error: device-side assert triggered", DeviceLost),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", DeviceLost),
        ("The size of tensor a (3) must match the size of tensor b (4)", GenerationFailed),
    ],
)
def test_an_error_that_only_a_new_process_mends_is_told_from_the_others(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch, words: str, expected: type[Exception]
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError(words)

    with monkeypatch.context() as patch:
        patch.setattr(drawing, "draw_latents", fail)
        with pytest.raises(expected):
            draw(parameters(), ignore)
    assert len(draw(parameters(), ignore).images) == 1


def test_a_request_that_fits_on_no_rung_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = denoiser(tmp_path)
    monkeypatch.setattr(type(CARD), "free_bytes", property(lambda _: 20_000_000))
    with pytest.raises(OutOfMemory, match=r"Not tried: one image of 128x128 .* on the rung group_offload, .* missing"):
        draw(parameters(), ignore)
    state = draw.report()["pocket"]
    assert (state.state, state.can_run, state.rung) == ("cold", False, None)
    assert state.reason is not None
    assert "are missing" in state.reason
    assert state.size_bytes == POCKET_BYTES


def test_pythons_own_word_for_it_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(drawing, "decode", no_memory)
    with pytest.raises(OutOfMemory, match="Memory ran out"):
        denoiser(tmp_path)(parameters(num_inference_steps=1), ignore)
