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
WANTS_SUCCESSOR = 75
"""The exit code of a process that is well and asks to be started anew: EX_TEMPFAIL of sysexits.h."""


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
    """One process that should always run: restarted at once when it ends, then with growing delays.

    A process whose memory has grown can be replaced: a successor runs beside it, takes its place when it has ended, and
    is forgotten when it ends first. How the two agree on that moment is theirs.

    One that ends with EX_CONFIG of sysexits.h is `misconfigured`: another would end in the same way.
    """

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
        self.misconfigured = False
        self._command = command
        self._environment = environment
        self._watchdog = watchdog
        self._orphan_signal = orphan_signal
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None
        self._successor: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._delay = 0.0
        self._start_at = 0.0

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = self._spawn(self._environment)

    def start_successor(self, environment: Mapping[str, str]) -> str | None:
        """Starts it with that much more in its environment, and says so; nothing where one is there or none is due."""
        if not self.running or self._successor is not None:
            return None
        self._successor = self._spawn({**self._environment, **environment})
        return f"the {self.name} is about to be replaced; memory has grown"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def keep_alive(self) -> str | None:
        """Restarts the process when it has ended and its delay is over; says so in words when one has ended."""
        if self._successor is not None and self._successor.poll() is not None:
            return self._forget_successor(self._successor)
        if self.running:
            return None
        if self._process is not None:
            self._watchdog.forget(self._process.pid)
            code = self._process.returncode
            self._process, self._successor = self._successor, None
            return self._note_succession(code) if self._process else self._note_end(code)
        if time.monotonic() >= self._start_at:
            self.start()
        return None

    def stop(self, seconds: float, hurried: Callable[[], bool]) -> None:
        """SIGTERM, again as soon as it is `hurried`, and SIGKILL after that many seconds."""
        # The successor first: it would take the place of a process that ends.
        for process in (self._successor, self._process):
            if process is not None:
                _end(process, seconds, hurried)
                self._watchdog.forget(process.pid)
        self._process = self._successor = None

    def _spawn(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """In a session of its own, so that Ctrl-C reaches this process alone and the order of stopping is ours."""
        process = subprocess.Popen(
            self._command, env=dict(environment), start_new_session=True, pass_fds=self._pass_fds
        )
        self._watchdog.guard(process.pid, self._orphan_signal)
        return process

    def _forget_successor(self, successor: subprocess.Popen[bytes]) -> str:
        self._watchdog.forget(successor.pid)
        self._successor = None
        return f"the {self.name}'s successor ended ({_ending(successor.returncode)}); the {self.name} stays"

    def _note_succession(self, code: int) -> str:
        self._started_at = time.monotonic()
        if code == 0:
            return f"the {self.name} was replaced; memory had grown"
        return f"the {self.name} ended ({_ending(code)}); its successor takes over"

    def _note_end(self, code: int) -> str:
        if code == WANTS_SUCCESSOR:
            self._start_at = time.monotonic()
            return f"the {self.name} ended to be replaced, memory had grown; restarting"
        if code == os.EX_CONFIG:
            self.misconfigured = True
            return f"the {self.name} ended ({_ending(code)})"
        if time.monotonic() - self._started_at > _STEADY_SECONDS:
            self._delay = 0.0
        self._start_at = time.monotonic() + self._delay
        wait = f" in {self._delay:g} s" if self._delay else ""
        self._delay = min(max(self._delay * 2, _FIRST_DELAY), _LONGEST_DELAY)
        return f"the {self.name} ended ({_ending(code)}); restarting{wait}"


def _end(process: subprocess.Popen[bytes], seconds: float, hurried: Callable[[], bool]) -> None:
    process.terminate()
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        time.sleep(_STOP_TICK_SECONDS)
        if hurried():
            process.terminate()  # at every tick: a second signal that finds the first unheard is lost in it
        if time.monotonic() > deadline:
            process.kill()


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
