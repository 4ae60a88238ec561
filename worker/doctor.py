"""`python -m worker.doctor [--deep]`: what `darkroom doctor` runs where torch is; a line of JSON for each finding.

Puts the checks in order; knows nothing of how they look, and not torch.
"""

import argparse
import asyncio
from collections.abc import Sequence
from importlib.util import find_spec

from contract.checks import Check, settings_findings, tell_and_exit
from contract.errors import CatalogError
from contract.finding import Finding
from contract.logs import configure_logs
from contract.model_catalog import read_model_catalog
from contract.settings import LogSettings, read_usable_settings
from worker.name_lock import is_held
from worker.settings import WorkerSettings, configure_libraries

_CHECK_SECONDS = 120.0
"""The first import of torch and diffusers from a slow disk takes its time."""
_DEEP_SECONDS = 1800.0
"""Weights of many gigabytes are read."""


def main() -> None:
    """Ends with 0, whatever is found."""
    parser = argparse.ArgumentParser(prog="python -m worker.doctor")
    parser.add_argument("--deep", action="store_true", help="load every model and draw with it")
    deep = parser.parse_args().deep
    configure_logs("worker", LogSettings(log_format="console", log_level="error"))
    configure_libraries()
    settings, reasons = read_usable_settings(WorkerSettings)
    checks = _checks(settings, reasons, deep=deep)
    tell_and_exit(WorkerSettings, checks, _DEEP_SECONDS if deep else _CHECK_SECONDS)


def _checks(settings: WorkerSettings, reasons: dict[str, str], *, deep: bool) -> dict[str, Check]:
    async def unusable() -> Sequence[Finding]:
        return settings_findings(settings, reasons)

    async def absent() -> Sequence[Finding]:
        found = "no worker is installed here: there is no PyTorch"
        return [Finding(check="device", verdict="skipped", found=found)]

    async def device() -> Sequence[Finding]:
        def look() -> list[Finding]:
            from worker.device_checks import look_at_device

            return list(look_at_device(settings))

        return await asyncio.to_thread(look)

    async def models() -> Sequence[Finding]:
        def look() -> list[Finding]:
            try:
                catalog = read_model_catalog(settings.models)
            except CatalogError as error:
                mend = "mend the file, or name another in DARKROOM_MODELS"
                return [Finding(check="files", verdict="wrong", found=str(error), mend=mend)]
            from worker.model_checks import look_at_models  # which imports diffusers, for seconds

            return list(look_at_models(catalog, settings, deep=deep, worker_here=is_held(settings)))

        return await asyncio.to_thread(look)

    if find_spec("torch") is None:
        return {"settings": unusable, "device": absent}
    return {"settings": unusable, "device": device, "models": models}


if __name__ == "__main__":
    main()
