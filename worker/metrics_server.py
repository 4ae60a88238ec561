"""GET /metrics of a worker, on a port of its own.

Knows addresses; knows nothing of what is told there. Drawing goes on, whatever becomes of the port.
"""

import threading
import time
from math import inf

import structlog
from prometheus_client import CollectorRegistry, start_http_server

log = structlog.get_logger("darkroom.worker")

_TRY_AGAIN_SECONDS = 0.1
_COMPLAIN_SECONDS = 10
"""A predecessor holds the port until its process is gone: that is no fault."""


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Returns at once. The port is taken as soon as it is free, and held for as long as the process lives."""
    threading.Thread(target=_serve, args=(registry, host, port), name="metrics", daemon=True).start()


def _serve(registry: CollectorRegistry, host: str, port: int) -> None:
    complain_at = time.monotonic() + _COMPLAIN_SECONDS
    while True:
        try:
            start_http_server(port, host, registry)
        except OSError as error:
            if time.monotonic() > complain_at:
                log.error("metrics_port_busy", host=host, port=port, reason=str(error))
                complain_at = inf
            time.sleep(_TRY_AGAIN_SECONDS)
        else:
            return
