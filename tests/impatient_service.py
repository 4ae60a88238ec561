"""`python -m tests.impatient_service`: the real service, which waits a second for slow clients instead of thirty."""

import sys

from service.__main__ import main
from service.inspection import inspection
from service.wire import bounded_body, connection

SECONDS = 1.0

if __name__ == "__main__":
    connection.HEAD_SECONDS = connection.UNREAD_SECONDS = connection.READING_SECONDS = SECONDS
    bounded_body.BODY_SECONDS = SECONDS
    inspection.TURN_SECONDS = SECONDS / 2
    sys.exit(main())
