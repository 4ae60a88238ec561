"""`python -m worker`: settings, the jobs of a former life, the model, a warm-up; then work."""

import fcntl
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contract.errors import DarkroomError, SettingsError
from contract.image_store import local_image_store
from contract.model_catalog import ModelCatalog, read_model_catalog
from contract.settings import read_settings
from contract.worker_state import WorkerState
from worker.beat import Beat
from worker.settings import WorkerSettings, configure_libraries
from worker.warm_worker import Draw, WarmWorker, reap_former_life

log = logging.getLogger("darkroom.worker")

_OUTAGE_RETRIES = 120
"""With a wait of up to a second before each: a running job outlives an outage of Redis of about two minutes."""


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to draw, and what /readyz says of it."""

    draw: Draw
    model: str
    device: str


Load = Callable[[ModelCatalog, WorkerSettings], Loaded]


def load_default_model(catalog: ModelCatalog, settings: WorkerSettings) -> Loaded:
    """Loads the catalog's default model and warms it up. Raises DarkroomError."""
    # Here and not above: these imports take seconds, in which the worker's state should already show.
    from worker.denoise import Denoiser

    denoiser = Denoiser(catalog, settings)
    warm = denoiser.warm_up()
    return Loaded(denoiser, warm.model.id, warm.plan.device)


def main(load: Load = load_default_model) -> int:
    """The exit code: 0 after a signal, 1 where the worker cannot work; the supervisor starts another."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    configure_libraries()
    try:
        settings = read_settings(WorkerSettings)
    except SettingsError as error:
        log.error("%s", error)
        return 2
    try:
        with _exclusive(settings):
            return _run(settings, load)
    except BlockingIOError:
        log.error("another worker named %r is alive: set DARKROOM_WORKER_NAME", settings.worker_name)
    except RedisError as error:
        log.error("Redis stays away: %s", error)
    return 1


def _run(settings: WorkerSettings, load: Load) -> int:
    client = _connect(settings.redis_url)
    reap_former_life(client, settings.worker_name)
    state = WorkerState(state="loading", pid=os.getpid())
    beat = Beat(_connect(settings.redis_url), settings.worker_name, state)
    try:
        catalog = read_model_catalog(settings.models)
        store = local_image_store(settings.image_store)
        loaded = load(catalog, settings)
        beat.show(state.model_copy(update={"state": "ready", "model": loaded.model, "device": loaded.device}))
        log.info("ready: model %s on %s", loaded.model, loaded.device)
        WarmWorker(client, settings.worker_name, loaded.draw, store, beat, settings.shutdown_grace_seconds).work()
    except DarkroomError as error:
        log.error("%s", error)
        beat.show(state.model_copy(update={"state": "failed", "reason": str(error)}))
        return 1
    finally:
        beat.close()
    return 0


def _connect(url: str) -> redis.Redis:
    keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return redis.Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), _OUTAGE_RETRIES),
        socket_timeout=15,
        health_check_interval=10,
        **keepalive,
    )


def _exclusive(settings: WorkerSettings) -> IO[str]:
    """Holds the worker's name on this machine for as long as the process lives. Raises BlockingIOError."""
    who = hashlib.sha256(f"{settings.redis_url} {settings.worker_name}".encode()).hexdigest()[:16]
    lock = (Path(tempfile.gettempdir()) / f"darkroom-worker-{who}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


if __name__ == "__main__":
    sys.exit(main())
