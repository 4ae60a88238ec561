"""`python -m service`: reads the settings, assembles the app, serves it."""

import logging
import sys

import uvicorn

from contract.errors import DarkroomError
from service.app import create_app
from service.settings import ServiceSettings

_SHUTDOWN_SECONDS = 5


def main() -> int:
    """The exit code: 2 where the settings or models.toml cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s service %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = ServiceSettings()
    try:
        app = create_app(settings)
    except DarkroomError as error:
        logging.getLogger("darkroom.service").error("%s", error)
        return 2
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
