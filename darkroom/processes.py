"""The processes that `darkroom serve` runs: how each is started, watched, restarted and stopped.

Knows processes and signals; knows nothing of what they do.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
_STOP_TICK_SECONDS = 0.05
_STEADY_SECONDS = 60.0
"""A process that lived this long is trusted again: its next restart is at once."""


class Watchdog:
    """The process that ends the others when this one is killed. See watchdog.py."""

    def __init__(self) -> None:
        end, self._pipe = os.pipe()
        command = [sys.executable, "-P", "-m", "darkroom.watchdog"]
        self._process = subprocess.Popen(command, stdin=end, start_new_session=True)
        os.close(end)

    def guard(self, pid: int, number: signal.Signals) -> None:
        """From now on `pid` gets that signal when this process is gone."""
        self._write(f"{number.value} {pid}\n")

    def forget(self, pid: int) -> None:
        """`pid` has ended; the system may give its number to another."""
        self._write(f"0 {pid}\n")

    def close(self) -> None:
        os.close(self._pipe)
        self._process.wait()

    def _write(self, line: str) -> None:
        os.write(self._pipe, line.encode())


class Child:
    """One process that should always run: restarted at once when it ends, then with growing delays."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        watchdog: Watchdog,
        *,
        orphan_signal: signal.Signals = signal.SIGKILL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._watchdog = watchdog
        self._orphan_signal = orphan_signal
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._delay = 0.0
        self._start_at = 0.0

    def start(self) -> None:
        """In a session of its own, so that Ctrl-C reaches this process alone and the order of stopping is ours."""
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(
            self._command, env=dict(self._environment), start_new_session=True, pass_fds=self._pass_fds
        )
        self._watchdog.guard(self._process.pid, self._orphan_signal)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def keep_alive(self) -> str | None:
        """Restarts the process when it has ended and its delay is over; says so in words when it has ended."""
        if self.running:
            return None
        if self._process is not None:
            code = self._process.returncode
            self._watchdog.forget(self._process.pid)
            self._process = None
            if time.monotonic() - self._started_at > _STEADY_SECONDS:
                self._delay = 0.0
            self._start_at = time.monotonic() + self._delay
            message = f"the {self.name} ended ({_ending(code)}); restarting" + (
                f" in {self._delay:g} s" if self._delay else ""
            )
            self._delay = min(max(self._delay * 2, _FIRST_DELAY), _LONGEST_DELAY)
            return message
        if time.monotonic() >= self._start_at:
            self.start()
        return None

    def stop(self, seconds: float, hurried: Callable[[], bool]) -> None:
        """SIGTERM, a second one as soon as it is `hurried`, and SIGKILL after that many seconds."""
        if self._process is None:
            return
        self._process.terminate()
        deadline, told_twice = time.monotonic() + seconds, False
        while self.running:
            if hurried() and not told_twice:
                told_twice = True
                self._process.terminate()
            if time.monotonic() > deadline:
                self._process.kill()
            time.sleep(_STOP_TICK_SECONDS)
        self._watchdog.forget(self._process.pid)
        self._process = None


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
