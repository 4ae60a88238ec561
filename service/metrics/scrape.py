"""Everything that one service process tells at one moment, though Redis or the disk do not answer.

Knows what there is to ask; knows nothing of HTTP.
"""

import asyncio
from collections.abc import Iterator

import redis.asyncio
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from contract.model_catalog import ModelCatalog
from service.housekeeping.store_room import StoreRoom
from service.metrics.process_metrics import ProcessMetrics
from service.metrics.shared_metrics import SharedMetrics, Snapshot, SnapshotReader

_PATIENCE_SECONDS = 1.5
"""A scrape is answered within two seconds, with what there is by then."""


class Scrape:
    """Makes what is to be exposed, each time anew."""

    def __init__(
        self, client: redis.asyncio.Redis, catalog: ModelCatalog, room: StoreRoom, process: ProcessMetrics
    ) -> None:
        self._snapshots = SnapshotReader(client)
        self._models = tuple(catalog.models)
        self._room = room
        self._process = process

    async def now(self) -> CollectorRegistry:
        """One round trip to Redis, and a look at the disk beside it."""
        snapshot, free_bytes = await asyncio.gather(self._snapshot(), self._free_bytes())
        registry = CollectorRegistry()
        registry.register(self._process.registry)
        registry.register(_Surroundings(self._room, free_bytes, redis_up=snapshot is not None))
        if snapshot is not None:
            registry.register(SharedMetrics(snapshot, self._models))
        return registry

    async def _snapshot(self) -> Snapshot | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._snapshots.read()
        except (RedisError, TimeoutError):
            return None

    async def _free_bytes(self) -> int | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._room.disk_free_bytes()
        except TimeoutError:
            return None


class _Surroundings(Collector):
    """What this process sees of Redis and of the disk; what it does not see is left out."""

    def __init__(self, room: StoreRoom, free_bytes: int | None, *, redis_up: bool) -> None:
        self._room = room
        self._free_bytes = free_bytes
        self._redis_up = redis_up

    def collect(self) -> Iterator[Metric]:
        gauges = {
            "redis_up": ("Whether Redis answered this scrape.", int(self._redis_up)),
            "store_limit_bytes": ("What all pictures may take.", self._room.limit_bytes),
            "store_disk_free_bytes": ("Free on the disk of the pictures.", self._free_bytes),
            "store_disk_reserve_bytes": ("With less free no job is taken.", self._room.min_free_bytes),
        }
        for name, (documentation, value) in gauges.items():
            if value is not None:
                yield GaugeMetricFamily(f"darkroom_{name}", documentation, value=value)
