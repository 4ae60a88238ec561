"""What earlier runs took: the peaks of each model on each layout, kept in a file, and where memory ran out.

Knows layouts and sizes; knows nothing of how they are measured.
"""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from worker.memory_plan import Layout, Phase

log = structlog.get_logger("darkroom.worker")

_peaks = TypeAdapter(dict[str, dict[str, dict[int, int]]])

_MARGIN = 1.1
"""What is predicted, over what was observed."""
_MORE_ROOM = 1.1
"""So much more free memory than when it ran out is worth another try."""
_CLEAN_RUNS = 10
"""After so many runs without a failure a rung that failed is tried again: what filled the device may have gone."""


@dataclass(frozen=True)
class _Failure:
    size: int
    free_bytes: int


@dataclass
class ModelMemory:
    """Of one model in one precision on one device. Implements memory_plan.Observed."""

    peaks: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    """Activations at the peak, in bytes, by where they were seen and for how many pixels."""
    is_new: bool = False
    """Whether something was learned since it was saved."""
    _failures: dict[str, list[_Failure]] = field(default_factory=lambda: defaultdict(list))
    _clean_runs: int = 0

    def activation_bytes(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, cold: int) -> int:
        """Activations grow with the size, and have a part that does not: a larger size bounds a smaller one, and a
        smaller one, scaled, bounds a larger one, as `cold` does."""
        seen = self.peaks.get(_key(layout, phase, tile_side), {})
        larger = [int(_MARGIN * peak) for other, peak in seen.items() if other >= size]
        scaled = [int(_MARGIN * peak * size / other) for other, peak in seen.items() if other < size]
        return min([*larger, *scaled] if larger else [*scaled, cold])

    def ran_out(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, free_bytes: int) -> bool:
        failures = self._failures.get(_key(layout, phase, tile_side), [])
        return any(failure.size <= size and free_bytes < failure.free_bytes * _MORE_ROOM for failure in failures)

    def note_peak(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, peak: int) -> None:
        """Keeps the highest of each size."""
        seen = self.peaks[_key(layout, phase, tile_side)]
        if peak > seen.get(size, -1):
            seen[size] = peak
            self.is_new = True

    def note_failure(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, free_bytes: int) -> None:
        self._failures[_key(layout, phase, tile_side)].append(_Failure(size, free_bytes))
        self._clean_runs = 0

    def note_success(self) -> None:
        self._clean_runs += 1
        if self._clean_runs >= _CLEAN_RUNS:
            self._failures.clear()


class ObservedMemory:
    """All of one worker's, in a JSON file that outlives it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._models: defaultdict[str, ModelMemory] = defaultdict(ModelMemory)
        for name, peaks in self._read().items():
            self._models[name].peaks.update(peaks)

    def of(self, name: str) -> ModelMemory:
        """`name` says all that the peaks depend on: device, model, revision and precision."""
        return self._models[name]

    def save(self) -> None:
        """What is new, as a whole or not at all. Without room for it the peaks are observed again."""
        if not any(memory.is_new for memory in self._models.values()):
            return
        document = {name: memory.peaks for name, memory in self._models.items() if memory.peaks}
        draft = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(_peaks.dump_json(document, indent=1))
            os.replace(draft, self._path)
        except OSError as error:
            log.warning("peaks_not_kept", file=str(self._path), reason=error.strerror)
        for memory in self._models.values():
            memory.is_new = False

    def _read(self) -> dict[str, dict[str, dict[int, int]]]:
        try:
            return _peaks.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("peaks_unreadable", file=str(self._path), error=error)
            return {}


def _key(layout: Layout, phase: Phase, tile_side: int | None) -> str:
    return f"{layout} {phase}" + (f" {tile_side}" if tile_side else "")
