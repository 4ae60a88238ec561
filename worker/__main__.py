"""`python -m worker`: settings, the jobs of a former life, the model, a warm-up; then work."""

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from typing import IO

import redis
import structlog
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contract.errors import DarkroomError, SettingsError
from contract.image_store import ImageStore, local_image_store
from contract.logs import configure_logs
from contract.model_catalog import ModelCatalog, read_model_catalog
from contract.settings import read_log_settings, read_settings
from contract.tracing import Tracing
from contract.worker_state import WorkerState
from worker.beat import Beat
from worker.execution import DEVICE_LOST_EXIT_CODE, DeviceLost
from worker.host_allocator import keep_freed_memory
from worker.metrics import WorkerMetrics
from worker.metrics_server import serve_metrics
from worker.name_lock import lock_file
from worker.recycling import SUCCESSOR_EXIT_CODE
from worker.settings import WorkerSettings, configure_compiler, configure_libraries
from worker.warm_worker import Draw, WarmWorker, reap_former_life

log = structlog.get_logger("darkroom.worker")

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
    from worker.device import choose_device
    from worker.model_files import check_local_sources

    check_local_sources(catalog, settings.models)
    device = choose_device(settings)
    denoiser = Denoiser(catalog, settings, device)
    denoiser.warm_up()
    return Loaded(denoiser, catalog.default.id, device.type)


def main(load: Load = load_default_model) -> int:
    """The exit code: 0 after a signal, 1 where the worker cannot work and the supervisor starts another.

    EX_CONFIG where the settings cannot be used: no other one could work either.
    """
    configure_logs("worker", read_log_settings())
    configure_libraries()
    keep_freed_memory()
    try:
        settings = read_settings(WorkerSettings)
        configure_compiler(settings)
        tracing = _tracing(settings)
    except SettingsError as error:
        log.error("settings_unusable", reason=str(error))
        return os.EX_CONFIG
    try:
        with tracing:
            if settings.predecessor_pid is None:
                return _begin(settings, load)
            return _succeed(settings, load, settings.predecessor_pid)
    except BlockingIOError:
        log.error("worker_name_taken", worker=settings.worker_name, advice="set DARKROOM_WORKER_NAME")
    except RedisError as error:
        log.error("redis_stays_away", error=error)
    except DeviceLost as error:
        log.critical("device_lost", reason=str(error))
        os._exit(DEVICE_LOST_EXIT_CODE)  # an orderly end would wait for the device
    return 1


def _tracing(settings: WorkerSettings) -> AbstractContextManager[object]:
    return closing(Tracing("worker")) if settings.tracing else nullcontext()


def _begin(settings: WorkerSettings, load: Load) -> int:
    """The only one of its name: shows that it loads, and why where it cannot."""
    with _exclusive(settings):
        metrics = _served_metrics(settings)
        client = _connect(settings.redis_url)
        reap_former_life(client, settings.worker_name)
        state = WorkerState(state="loading", pid=os.getpid())
        with closing(Beat(_connect_beat(settings.redis_url), settings.worker_name, state)) as beat:
            try:
                loaded, store = _prepare(settings, load)
            except DarkroomError as error:
                log.error("worker_cannot_start", worker=settings.worker_name, error=error)
                beat.show(state.model_copy(update={"state": "failed", "reason": str(error)}))
                return os.EX_CONFIG if isinstance(error, SettingsError) else 1
            beat.show(_ready(loaded))
            return _work(client, settings, loaded, store, beat, metrics)


def _succeed(settings: WorkerSettings, load: Load, predecessor_pid: int) -> int:
    """Loads unseen beside the predecessor, which works on under the name; takes its place when it has gone."""
    try:
        loaded, store = _prepare(settings, load)
    except DarkroomError as error:
        log.error("successor_cannot_start", worker=settings.worker_name, error=error)
        return 1
    with _handed_over(settings, predecessor_pid):
        metrics = _served_metrics(settings)
        client = _connect(settings.redis_url)
        reap_former_life(client, settings.worker_name)
        with closing(Beat(_connect_beat(settings.redis_url), settings.worker_name, _ready(loaded))) as beat:
            return _work(client, settings, loaded, store, beat, metrics)


def _served_metrics(settings: WorkerSettings) -> WorkerMetrics:
    """Only for who holds the worker's name: of a worker and its successor one has the port."""
    metrics = WorkerMetrics()
    if settings.metrics_port is not None:
        serve_metrics(metrics.registry, settings.metrics_host, settings.metrics_port)
    return metrics


def _prepare(settings: WorkerSettings, load: Load) -> tuple[Loaded, ImageStore]:
    catalog = read_model_catalog(settings.models)
    store = local_image_store(settings.image_store)
    return load(catalog, settings), store


def _ready(loaded: Loaded) -> WorkerState:
    models = dict(loaded.draw.report())
    return WorkerState(state="ready", pid=os.getpid(), model=loaded.model, device=loaded.device, models=models)


def _work(
    client: redis.Redis,
    settings: WorkerSettings,
    loaded: Loaded,
    store: ImageStore,
    beat: Beat,
    metrics: WorkerMetrics,
) -> int:
    who = {"worker": settings.worker_name, "pid": os.getpid()}
    log.info("worker_started", **who, model=loaded.model, device=loaded.device)
    metrics.watch(loaded.draw, lambda: beat.state.models)
    to_be_replaced = WarmWorker(client, settings, loaded.draw, store, beat, metrics).work()
    log.info("worker_stopped", **who, to_be_replaced=to_be_replaced)
    return SUCCESSOR_EXIT_CODE if to_be_replaced else 0


def _connect_beat(url: str) -> redis.Redis:
    """Gives a connection up sooner than a lease runs out: one that died in an outage must not outlive it by a lease."""
    return _connect(url, socket_timeout=2)


def _connect(url: str, socket_timeout: float = 15) -> redis.Redis:
    keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return redis.Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), _OUTAGE_RETRIES),
        socket_timeout=socket_timeout,
        health_check_interval=10,
        **keepalive,
    )


def _exclusive(settings: WorkerSettings) -> IO[str]:
    """Holds the worker's name on this machine for as long as it is open. Raises BlockingIOError."""
    lock = lock_file(settings)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _handed_over(settings: WorkerSettings, predecessor_pid: int) -> IO[str]:
    """Holds the worker's name once the predecessor, told that its successor is warm, has let it go."""
    try:
        return _exclusive(settings)
    except BlockingIOError:
        # Only while the name is held: the number of a process that is gone may be another's.
        with suppress(ProcessLookupError):
            os.kill(predecessor_pid, signal.SIGUSR1)
    lock = lock_file(settings)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


if __name__ == "__main__":
    sys.exit(main())
