"""Runs the checks of a room as a process of its own, and reads what it prints. Imports no room.

A room that is not installed, ends early or hangs is a finding itself; what it told before counts.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from darkroom.doctor.finding import Finding

_KILLED_SECONDS = 2.0
_MISSING_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)


@dataclass(frozen=True)
class Report:
    """What one room told."""

    findings: tuple[Finding, ...] = ()
    settings: frozenset[str] = frozenset()
    """The names of the variables that it reads."""


class Room:
    """`service` or `worker`: its checks, begun at once."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        self._name = name
        command = [sys.executable, "-P", "-m", f"{name}.doctor", *arguments]
        self._process = subprocess.Popen(
            command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def report(self, seconds: float) -> Report:
        """Once its checks are over, or have taken so long."""
        try:
            told, complaints = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            told = self._kill()
            found = f"the checks of the {self._name} did not end within {seconds:g} s"
            return _read(told, [Finding(check=self._name, verdict="wrong", found=found, mend="look at what hangs")])
        return _read(told, self._how_it_ended(told, complaints))

    def _kill(self) -> str:
        """What it told; a process that hangs in the system stays until that lets it go."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            told, _ = self._process.communicate(timeout=_KILLED_SECONDS)
            return told
        return ""

    def _how_it_ended(self, told: str, complaints: str) -> Iterator[Finding]:
        code = self._process.returncode
        if code == 0:
            return
        missing = _MISSING_MODULE.search(complaints)
        if missing and not told:
            found = f"the {self._name} is not installed here: there is no {missing[1]}"
            yield Finding(check=self._name, verdict="skipped", found=found)
            return
        why = f"there is no {missing[1]}" if missing else f"exit code {code}" if code > 0 else f"signal {-code}"
        found = f"the checks of the {self._name} broke off: {why}"
        mend = f"pip install 'darkroom[{self._name}]', and see what `python -m {self._name}.doctor` prints"
        yield Finding(check=self._name, verdict="wrong", found=found, mend=mend)


def _read(told: str, more: Iterator[Finding] | list[Finding]) -> Report:
    """A library may print lines of its own between ours."""
    findings: list[Finding] = []
    settings: frozenset[str] = frozenset()
    for line in told.splitlines():
        try:
            document = json.loads(line)
            if "settings" in document:
                settings = frozenset(document["settings"])
            else:
                findings.append(Finding.model_validate(document))
        except (ValueError, TypeError, ValidationError):
            continue
    return Report((*findings, *more), settings)
