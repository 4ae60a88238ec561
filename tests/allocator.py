"""An allocator that runs out: it counts what torch's operations make on the CPU, and raises torch's own error.

Knows nothing of the project.
"""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocator(TorchDispatchMode):
    """Raises at the allocations with the numbers in `fail_at`, and whenever more than `budget` bytes would live."""

    def __init__(self, *fail_at: int, budget: int | None = None, every: bool = False) -> None:
        super().__init__()
        self.allocations = 0
        self.failures = 0
        self.peak = 0
        self.live = 0
        self._fail_at = frozenset(fail_at)
        self._budget = budget
        self._every = every
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and id(leaf.untyped_storage()) not in given:
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if id(storage) in self._known:
            return
        self.allocations += 1
        size = storage.nbytes()
        full = self._budget is not None and self.live + size > self._budget
        if self._every or full or self.allocations in self._fail_at:
            self.failures += 1
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size / 1024**2:.2f} MiB.")
        self._known.add(id(storage))
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, id(storage), size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size
