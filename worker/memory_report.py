"""What a worker tells of its device's memory. Knows numbers alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceMemory:
    """At one moment, in bytes; of a device without memory of its own, the CPU's."""

    used_bytes: int
    """By everybody."""
    allocated_bytes: int
    """By this process's tensors; 0 where torch does not count."""
    limit_bytes: int
    """What this process may take."""
    total_bytes: int
