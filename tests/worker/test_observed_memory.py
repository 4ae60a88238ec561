import json
from pathlib import Path

import pytest

from worker.memory_plan import Layout
from worker.observed_memory import ObservedMemory

COLD = 10**9


def test_peaks_outlive_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "peaks.json"
    observed = ObservedMemory(path)
    observed.of("card model").note_peak(Layout.ON_DEVICE, "decode", 256, 100, 7000)
    observed.save()
    again = ObservedMemory(path)
    assert again.of("card model").activation_bytes(Layout.ON_DEVICE, "decode", 256, 100, COLD) == 7700
    assert again.of("card model").activation_bytes(Layout.ON_DEVICE, "decode", None, 100, COLD) == COLD
    assert again.of("other model").activation_bytes(Layout.ON_DEVICE, "decode", 256, 100, COLD) == COLD


def test_the_highest_peak_of_a_size_counts_and_is_written_once(tmp_path: Path) -> None:
    observed = ObservedMemory(tmp_path / "peaks.json")
    memory = observed.of("m")
    memory.note_peak(Layout.ON_DEVICE, "draw", None, 100, 7000)
    observed.save()
    (tmp_path / "peaks.json").unlink()
    memory.note_peak(Layout.ON_DEVICE, "draw", None, 100, 6000)
    observed.save()
    assert not (tmp_path / "peaks.json").exists()
    assert memory.activation_bytes(Layout.ON_DEVICE, "draw", None, 100, COLD) == 7700


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"m": {"on_device draw": {"x": 1}}}', '{"m": 3}'])
def test_a_spoiled_file_costs_what_it_held_and_nothing_else(tmp_path: Path, content: str) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(content)
    observed = ObservedMemory(path)
    assert observed.of("m").activation_bytes(Layout.ON_DEVICE, "draw", None, 100, COLD) == COLD
    observed.of("m").note_peak(Layout.ON_DEVICE, "draw", None, 100, 1)
    observed.save()
    assert json.loads(path.read_text()) == {"m": {"on_device draw": {"100": 1}}}


def test_a_folder_that_takes_no_file_does_not_stop_the_worker(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    observed = ObservedMemory(tmp_path / "file" / "peaks.json")
    observed.of("m").note_peak(Layout.ON_DEVICE, "draw", None, 100, 1)
    observed.save()
