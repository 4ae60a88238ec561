"""How a room runs its checks for `darkroom doctor`: one after the other, each within its time, whatever the others do.

Prints lines of JSON: `{"settings": [...]}`, then a Finding each. Knows nothing of what is checked.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib.util import find_spec
from traceback import extract_tb

from contract.errors import DarkroomError
from contract.finding import Finding
from contract.settings import ContractSettings

Check = Callable[[], Awaitable[Sequence[Finding]]]


async def findings_of(checks: Mapping[str, Check], seconds: float) -> AsyncIterator[Finding]:
    """What the checks find, by their names; one that takes longer than that, or breaks, is a finding itself."""
    for name, check in checks.items():
        (outcome,) = await asyncio.gather(asyncio.wait_for(check(), seconds), return_exceptions=True)
        if isinstance(outcome, TimeoutError):
            words = f"there is no answer after {seconds:g} s"
            yield Finding(check=name, verdict="wrong", found=words, mend="look at what hangs: a disk, a driver")
        elif isinstance(outcome, BaseException):
            yield Finding(check=name, verdict="wrong", found=f"this check broke: {_words(outcome)}")
        else:
            for finding in outcome:
                yield finding


def settings_findings(settings: ContractSettings, reasons: Mapping[str, str]) -> list[Finding]:
    """One for each setting that cannot be used, by its field and why; equal ones of two rooms are the same finding."""
    findings = [
        Finding(
            check="settings",
            verdict="wrong",
            found=f"DARKROOM_{name.upper()}: {reason}",
            mend=f"set it to something else, or unset it: it is then {_default(type(settings), name)}",
        )
        for name, reason in reasons.items()
    ]
    if settings.tracing and find_spec("opentelemetry.sdk") is None:
        found, mend = "DARKROOM_TRACING: OpenTelemetry's SDK is not installed", "pip install 'darkroom[tracing]'"
        findings.append(Finding(check="settings", verdict="wrong", found=found, mend=mend))
    return findings


def tell_and_exit(kind: type[ContractSettings], checks: Mapping[str, Check], seconds: float) -> None:
    """Prints the names of the room's settings and what its checks find, and ends the process there and then.

    A thread that hangs would keep it.
    """
    print(json.dumps({"settings": [f"DARKROOM_{name.upper()}" for name in kind.model_fields]}), flush=True)
    asyncio.run(_tell(checks, seconds))


async def _tell(checks: Mapping[str, Check], seconds: float) -> None:
    async for finding in findings_of(checks, seconds):
        print(finding.model_dump_json(), flush=True)
    os._exit(0)


def _default(kind: type[ContractSettings], name: str) -> str:
    default = kind.model_fields[name].default
    return "not set" if default is None else str(default)


def _words(error: BaseException) -> str:
    """An error's own words only where they are ours: others may quote what they could not use."""
    if isinstance(error, DarkroomError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    last = extract_tb(error.__traceback__)[-1:]
    place = f" in {last[0].name}, line {last[0].lineno} of {os.path.basename(last[0].filename)}" if last else ""
    return f"{type(error).__name__}{place}"
