import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import redis

from darkroom import valkey
from tests.conftest import ROOT, end, free_port, start_valkey, wait_until
from tests.integration.conftest import processes_of


def serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "darkroom", "serve", *options]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve("--port", str(port), "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = serve("--port", str(free_port()), "--data-dir", str(tmp_path / "file"))
    assert done.returncode == 1
    assert f"the data folder {tmp_path / 'file'} cannot be used" in done.stderr


def test_what_no_option_says_the_environment_does(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = serve(DARKROOM_DATA_DIR=str(tmp_path / "file"), DARKROOM_PORT=str(free_port()))
    assert f"the data folder {tmp_path / 'file'} cannot be used" in done.stderr
    for name, value in (("DARKROOM_PORT", "0"), ("DARKROOM_DEVICE", "tpu")):
        assert name in serve(**{name: value}).stderr


def test_an_unknown_device_is_refused() -> None:
    done = serve("--device", "tpu")
    assert done.returncode == 2
    assert "--device" in done.stderr


def test_settings_that_cannot_be_used_end_it_all(tmp_path: Path) -> None:
    done = serve("--host", "0.0.0.0", "--port", str(free_port()), "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "DARKROOM_HOST: '0.0.0.0' can be reached from other machines" in done.stderr
    assert "[error    ] service_cannot_start" in done.stderr  # for people, though this is no terminal
    assert "darkroom: the service cannot use its settings" in done.stderr
    assert "restarting" not in done.stdout
    assert "Traceback" not in done.stderr
    assert processes_of(tmp_path) == []


def test_the_socket_of_a_deep_folder_is_short_enough(tmp_path: Path) -> None:
    assert valkey.socket_path(tmp_path / "data") == tmp_path / "data" / "valkey.sock"
    deep = tmp_path / ("deep" * 30)
    assert len(bytes(valkey.socket_path(deep))) <= 103
    assert valkey.socket_path(deep) != valkey.socket_path(tmp_path / ("deep" * 31))


def held_back_nothing(client: redis.Redis) -> bool:
    return client.info("persistence")["aof_buffer_length"] == 0  # type: ignore[index]


def test_valkey_keeps_what_was_written_through_a_kill(tmp_path: Path) -> None:
    path = valkey.socket_path(tmp_path)
    for expected in (0, 500):
        process = start_valkey(tmp_path)
        with redis.Redis(unix_socket_path=str(path)) as client:
            assert client.llen("line") == expected
            for number in range(500):
                client.rpush("line", number)
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            # While the disk is slow to sync, Valkey holds what came meanwhile back, for two seconds at most.
            wait_until(partial(held_back_nothing, client))
        end(process, signal.SIGKILL)
    assert path.stat().st_mode & 0o077 == 0
