"""`python -m tests.stub_serve <port> <data folder>`: `darkroom serve` with the stub as its worker."""

import sys
from pathlib import Path

from darkroom.serve import Serve
from darkroom.settings import ServeSettings

if __name__ == "__main__":
    Serve("127.0.0.1", int(sys.argv[1]), Path(sys.argv[2]), "cpu", ServeSettings(), worker="tests.stub_worker").run()
