"""What a user installs, runs and imports. Needs none of the service's or the worker's code.

`from darkroom import Darkroom` loads the client; `import darkroom` does not: the processes of `darkroom serve` have no
use for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darkroom.client import AsyncDarkroom, Axis, Darkroom

__all__ = ["AsyncDarkroom", "Axis", "Darkroom"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("darkroom.client"), name)
