"""Checks that hang or break, beside others that do not."""

import asyncio
from threading import Event

import pytest

from contract.checks import findings_of, settings_findings
from contract.errors import CatalogError
from contract.finding import Finding, size
from contract.settings import read_usable_settings
from service.settings import ServiceSettings
from worker.settings import WorkerSettings

WELL = Finding(check="well", verdict="ok", found="all")


def test_a_check_that_hangs_or_breaks_is_a_finding_and_the_others_go_on() -> None:
    released = Event()

    async def hangs() -> list[Finding]:
        await asyncio.to_thread(released.wait, 5)
        return []

    async def breaks() -> list[Finding]:
        raise ValueError("a secret")

    async def refuses() -> list[Finding]:
        raise CatalogError("models.toml: holds no [[models]] table")

    async def cannot() -> list[Finding]:
        raise PermissionError(13, "Permission denied", "/secret")

    async def well() -> list[Finding]:
        return [WELL]

    async def all_findings() -> list[Finding]:
        checks = {"hangs": hangs, "breaks": breaks, "refuses": refuses, "cannot": cannot, "well": well}
        found = [finding async for finding in findings_of(checks, 0.05)]
        released.set()
        return found

    *others, last = asyncio.run(all_findings())
    assert [(finding.check, finding.verdict) for finding in others] == [
        (name, "wrong") for name in ("hangs", "breaks", "refuses", "cannot")
    ]
    hung, broken, refused, denied = (finding.found for finding in others)
    assert hung == "there is no answer after 0.05 s"
    assert broken.startswith("this check broke: ValueError in breaks, line ")
    assert "secret" not in broken + denied
    assert refused.endswith("models.toml: holds no [[models]] table")
    assert last == WELL


def test_settings_that_cannot_be_used_are_told_by_name_and_the_others_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PORT": "eighty", "HOST": "0.0.0.0", "LOG_LEVEL": "loud", "MAX_COST": "7"}.items():
        monkeypatch.setenv(f"DARKROOM_{name}", value)
    settings, reasons = read_usable_settings(ServiceSettings)
    assert (settings.port, settings.host, settings.max_cost) == (8000, "127.0.0.1", 7)
    found = settings_findings(settings, reasons)
    assert [finding.found.partition(":")[0] for finding in found] == [
        "DARKROOM_LOG_LEVEL",
        "DARKROOM_HOST",
        "DARKROOM_PORT",
    ]
    assert found[2].mend == "set it to something else, or unset it: it is then 8000"
    # What both rooms find is one finding.
    assert settings_findings(*read_usable_settings(WorkerSettings)) == found[:1]


@pytest.mark.parametrize(("number", "words"), [(0, "0 bytes"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")])
def test_sizes_are_said_as_people_read_them(number: int, words: str) -> None:
    assert size(number) == words
