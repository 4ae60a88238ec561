"""Ends what `darkroom serve` started when `serve` itself is killed.

`serve` holds the other end of this process's standard input and writes `<signal number> <pid>` for every child that
must not outlive it. The end of the input is the end of `serve`, however it came. Knows nothing else.
"""

import os
import signal
import sys


def main() -> None:
    """Reads until the end of the input, then signals every process it was told of, first named last."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wards: dict[int, int] = {}
    for line in sys.stdin:
        number, pid = (int(part) for part in line.split())
        if number:
            wards[pid] = number
        else:
            wards.pop(pid, None)
    for pid, number in reversed(wards.items()):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
