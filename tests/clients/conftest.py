"""Other people's clients, each in an environment of its own, against `darkroom serve` with the bundled model and keys.

A client's program gets the service's URL, a key and a folder for what it fetches, and prints one line of JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.integration.conftest import Serve, start_serve, stop_serve

_HERE = Path(__file__).parent
_ENVIRONMENTS = ROOT / ".clients"
"""As the Makefile makes them."""


@dataclass(frozen=True)
class Asked:
    """The running service, and whom it knows."""

    serve: Serve
    key: str
    other_key: str

    @property
    def url(self) -> str:
        return str(self.serve.http.base_url).rstrip("/")

    def jobs(self, key: str | None = None) -> list[dict[str, Any]]:
        """That owner's, newest first, as the native API tells them."""
        answer = httpx.get(f"{self.url}/jobs", headers={"Authorization": f"Bearer {key or self.key}"}, trust_env=False)
        jobs: list[dict[str, Any]] = answer.raise_for_status().json()["jobs"]
        return jobs

    def python(self, environment: str, program: str, folder: Path, *arguments: str, **variables: str) -> Any:
        """What tests/clients/python/<program>.py says where tests/clients/python/<environment>.txt is installed."""
        command = [str(_ENVIRONMENTS / environment / "bin" / "python"), "-P", str(_HERE / "python" / f"{program}.py")]
        return self._run(command, folder, arguments, variables)

    def node(self, program: str, folder: Path, *arguments: str, **variables: str) -> Any:
        """What tests/clients/node/<program>.mjs says."""
        return self._run(["node", str(_HERE / "node" / f"{program}.mjs")], folder, arguments, variables)

    def _run(self, command: list[str], folder: Path, arguments: tuple[str, ...], variables: dict[str, str]) -> Any:
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [*command, self.url, self.key, str(folder), *arguments],
            cwd=folder,
            env=clean | variables,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])


def picture(path: Path) -> tuple[str | None, tuple[int, int]]:
    """Its format and its size, decoded."""
    with Image.open(path) as image:
        image.load()
        return image.format, image.size


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("clients")
    keys = [_add_key(folder / "keys.json", name) for name in ("alice", "bob")]
    variables = {
        "DARKROOM_API_KEYS_FILE": str(folder / "keys.json"),
        "DARKROOM_WEBHOOK_ALLOW": "127.0.0.1",  # the programs' own receivers
    }
    serve = start_serve(folder / "data", **variables).until_ready()
    yield Asked(serve, *keys)
    stop_serve(serve)


def _add_key(file: Path, name: str) -> str:
    command = [sys.executable, "-m", "darkroom", "keys", "add", name, "--file", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()[0]
