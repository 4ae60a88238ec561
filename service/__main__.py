"""`python -m service`: reads the settings, assembles the app, serves it."""

import gc
import os
import socket
import sys
from types import FrameType

import structlog
import uvicorn

from contract.errors import DarkroomError, SettingsError
from contract.logs import configure_logs
from contract.settings import read_log_settings, read_settings
from service.app import create_app
from service.jobs.job_events import JobEvents
from service.request_ids import RequestIds
from service.settings import ServiceSettings
from service.wire.connection import Connection

log = structlog.get_logger("darkroom.service")

_SHUTDOWN_SECONDS = 5


def main() -> int:
    """The exit code: EX_CONFIG where the settings cannot be used, 2 where a catalog or the store cannot."""
    configure_logs("service", read_log_settings())
    try:
        settings = read_settings(ServiceSettings)
        app = create_app(settings)
    except DarkroomError as error:
        log.error("service_cannot_start", reason=str(error))
        return os.EX_CONFIG if isinstance(error, SettingsError) else 2
    config = uvicorn.Config(
        RequestIds(app, settings.access_log),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Connection,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    _Server(config, app.state.parts.events).run()
    return 0


class _Server(uvicorn.Server):
    """Answers those who wait for a job or listen to one when it is told to stop, instead of waiting with them."""

    def __init__(self, config: uvicorn.Config, events: JobEvents) -> None:
        super().__init__(config)
        self._events = events

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # what the app is made of stays; looking through it took 8 % of a busy service's time
            log.info("service_started", host=self.config.host, port=self.config.port, pid=os.getpid())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        log.info("service_stopped", pid=os.getpid())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._events.stop()
        super().handle_exit(sig, frame)


if __name__ == "__main__":
    sys.exit(main())
