from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from contract.errors import CatalogError
from contract.model import Precision
from contract.rung import MemoryChoice, Rung
from worker.device import Device, choose_device, host_available_bytes, host_total_bytes
from worker.memory_report import DeviceMemory
from worker.settings import WorkerSettings

GIB = 1024**3
CUDA = Device("cuda", tuple(rung for rung in Rung if rung is not Rung.CPU))


def test_a_device_that_is_not_there_is_refused_and_auto_takes_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(WorkerSettings()).type == "cpu"
    with pytest.raises(CatalogError, match="DARKROOM_DEVICE=cuda"):
        choose_device(WorkerSettings(device="cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(WorkerSettings()).type == "cuda"


@pytest.mark.parametrize(
    ("capability", "precision", "dtype"),
    [
        ((6, 1), "auto", torch.float32),
        ((7, 5), "auto", torch.float16),
        ((8, 6), "auto", torch.bfloat16),
        ((9, 0), "auto", torch.bfloat16),
        ((8, 6), "float16", torch.float16),
    ],
)
def test_a_card_gets_the_half_precision_that_it_computes_in(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], precision: Precision, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert CUDA.dtype(precision) is dtype


def test_the_cpu_is_the_last_rung_only_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Rung.CPU not in choose_device(WorkerSettings()).ladder
    assert choose_device(WorkerSettings(allow_cpu=True)).ladder[-1] is Rung.CPU
    assert choose_device(WorkerSettings(device="cpu")).ladder == (Rung.CPU,)


@pytest.mark.parametrize(
    ("choices", "first"),
    [
        (("auto", "auto"), Rung.ON_DEVICE),
        (("auto", "model_offload"), Rung.MODEL_OFFLOAD),
        (("sequential_offload", "model_offload"), Rung.SEQUENTIAL_OFFLOAD),
        (("cpu", "auto"), Rung.CPU),
    ],
)
def test_a_models_own_choice_comes_before_the_workers(choices: tuple[MemoryChoice, ...], first: Rung) -> None:
    assert CUDA.ladder_from(choices)[0] is first


def test_a_rung_that_the_device_does_not_have_is_passed_over() -> None:
    assert Device("cpu", (Rung.CPU,)).ladder_from(("model_offload", "auto")) == (Rung.CPU,)


def test_a_limit_is_all_that_the_worker_takes_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    fractions: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (70 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 1 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 3 * GIB)
    limited = choose_device(WorkerSettings(device_memory_limit_bytes=8 * GIB))
    assert fractions == [0.1]
    assert limited.free_bytes == 7 * GIB
    assert choose_device(WorkerSettings()).free_bytes == 72 * GIB
    assert fractions == [0.1]


@pytest.fixture
def exact() -> Iterator[None]:
    """float32 as PyTorch has it, before and after."""
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.usefixtures("exact")
def test_a_card_computes_float32_in_tf32_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    choose_device(WorkerSettings())
    assert torch.backends.cuda.matmul.allow_tf32 is there
    assert torch.get_float32_matmul_precision() == ("high" if there else "highest")  # which the compiler asks for


def test_a_containers_limit_counts_where_there_is_one(tmp_path: Path) -> None:
    everything = host_available_bytes(tmp_path)
    assert everything > 2 * GIB
    for name, content in {"memory.max": str(2 * GIB), "memory.current": str(GIB), "memory.stat": "anon 1"}.items():
        (tmp_path / name).write_text(content + "\n")
    assert host_available_bytes(tmp_path) == GIB
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {GIB // 2}\n")
    assert host_available_bytes(tmp_path) == GIB + GIB // 2
    (tmp_path / "memory.max").write_text("max\n")
    assert host_available_bytes(tmp_path) > 2 * GIB


def test_what_others_took_beyond_a_limit_leaves_nothing_and_not_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10, 80))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 9)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 9)
    assert Device("cuda", (), limit_bytes=5).free_bytes == 0


def test_a_cpu_has_one_rung_allowed_or_not() -> None:
    assert choose_device(WorkerSettings(device="cpu", allow_cpu=True)).ladder == (Rung.CPU,)


@pytest.mark.parametrize(("limit_gib", "told_gib"), [(None, 80), (8, 8), (100, 80)])
def test_a_card_tells_what_everybody_took_of_it_and_what_the_worker_may(
    monkeypatch: pytest.MonkeyPatch, limit_gib: int | None, told_gib: int
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (70 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 3 * GIB)
    limited = Device("cuda", (), limit_bytes=limit_gib and limit_gib * GIB)
    assert limited.memory() == DeviceMemory(10 * GIB, 3 * GIB, told_gib * GIB, 80 * GIB)


def test_the_memory_of_a_cpu_is_the_machines_or_the_containers(tmp_path: Path) -> None:
    memory = Device("cpu", ()).memory()
    assert 0 < memory.used_bytes < memory.total_bytes == memory.limit_bytes
    assert memory.allocated_bytes == 0
    everything = host_total_bytes(tmp_path)
    assert everything > 2 * GIB
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    assert host_total_bytes(tmp_path) == GIB
    (tmp_path / "memory.max").write_text("max\n")
    assert host_total_bytes(tmp_path) == everything
