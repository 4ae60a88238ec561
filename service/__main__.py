"""`python -m service`: reads the settings, assembles the app, serves it."""

import logging
import os
import sys
from types import FrameType

import uvicorn

from contract.errors import DarkroomError, SettingsError
from contract.settings import read_settings
from service.app import create_app
from service.bounded_head import BoundedHeadProtocol
from service.jobs.job_events import JobEvents
from service.settings import ServiceSettings

_SHUTDOWN_SECONDS = 5


def main() -> int:
    """The exit code: EX_CONFIG where the settings cannot be used, 2 where models.toml or the store cannot."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s service %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = read_settings(ServiceSettings)
        app = create_app(settings)
    except DarkroomError as error:
        logging.getLogger("darkroom.service").error("%s", error)
        return os.EX_CONFIG if isinstance(error, SettingsError) else 2
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedHeadProtocol,
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

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._events.stop()
        super().handle_exit(sig, frame)


if __name__ == "__main__":
    sys.exit(main())
