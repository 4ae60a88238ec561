"""`darkroom` as a user runs it, against one real service with a stub worker for all tests of the commands."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from darkroom.command import app
from tests.conftest import ROOT
from tests.darkroom.commands.terminal import Terminal
from tests.service.conftest import Service


@dataclass(frozen=True)
class Command:
    """Runs `darkroom` in an empty folder, with a service's address in the environment."""

    folder: Path
    url: str
    api_key: str = ""

    def __call__(self, *arguments: str, exit_code: int = 0, stdin: bytes = b"") -> Result:
        """To its end, in this process, where no terminal is. `exit_code` is what it has to end with."""
        environment = {"DARKROOM_URL": self.url, "DARKROOM_API_KEY": self.api_key}
        with contextlib.chdir(self.folder):
            ended = CliRunner().invoke(app, list(arguments), input=stdin, env=environment)
        assert ended.exit_code == exit_code, ended.stderr
        return ended

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """As a process, with pipes."""
        return subprocess.Popen(
            self.words(arguments),
            cwd=self.folder,
            env=self.environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def on_terminal(self, *arguments: str, **environment: str) -> Terminal:
        """Started, with a terminal of 100 columns as its standard input, output and error."""
        return Terminal(self.words(arguments), self.folder, self.environment({"TERM": "xterm"} | environment))

    def words(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "darkroom", *arguments]

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return os.environ | {"PYTHONPATH": path, "DARKROOM_URL": self.url, "DARKROOM_API_KEY": self.api_key} | more


@pytest.fixture
def service(drawing_service: Service) -> Service:
    """With a stub worker. Its jobs stay: a test looks for its own."""
    return drawing_service


@pytest.fixture
def command(service: Service, tmp_path: Path) -> Command:
    return Command(tmp_path, service.url)
