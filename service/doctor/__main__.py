"""`python -m service.doctor [--without-redis]`: what `darkroom doctor` runs; a line of JSON for each finding.

Puts the checks in order; knows nothing of how they look.
"""

import argparse
import asyncio
from collections.abc import Sequence

from contract.checks import Check, settings_findings, tell_and_exit
from contract.finding import Finding
from contract.logs import configure_logs
from contract.settings import LogSettings, read_usable_settings
from service.doctor.access_checks import look_at_files, look_at_keys, look_at_secret
from service.doctor.line_checks import look_at_line
from service.doctor.redis_checks import look_at_redis
from service.doctor.store_checks import look_at_folder, look_at_limit
from service.settings import ServiceSettings

_CHECK_SECONDS = 8.0


def main() -> None:
    """Ends with 0, whatever is found."""
    parser = argparse.ArgumentParser(prog="python -m service.doctor")
    parser.add_argument("--without-redis", action="store_true", help="none is running: it is part of `darkroom serve`")
    with_redis = not parser.parse_args().without_redis
    configure_logs("service", LogSettings(log_format="console", log_level="error"))
    settings, reasons = read_usable_settings(ServiceSettings)
    checks = _checks(settings, reasons, with_redis=with_redis and "redis_url" not in reasons)
    tell_and_exit(ServiceSettings, checks, _CHECK_SECONDS)


def _checks(settings: ServiceSettings, reasons: dict[str, str], *, with_redis: bool) -> dict[str, Check]:
    async def unusable() -> Sequence[Finding]:
        return settings_findings(settings, reasons)

    async def folder() -> Sequence[Finding]:
        return await asyncio.to_thread(look_at_folder, settings.image_store, settings.min_free_bytes)

    async def access() -> Sequence[Finding]:
        return await asyncio.to_thread(lambda: [*look_at_keys(settings), look_at_secret(settings)])

    async def files() -> Sequence[Finding]:
        return await asyncio.to_thread(lambda: list(look_at_files(settings)))

    of_redis: dict[str, Check] = {
        "redis": lambda: look_at_redis(settings.redis_url),
        "line": lambda: look_at_line(settings.redis_url, settings.max_queued_jobs),
        "store_limit": lambda: look_at_limit(settings.redis_url, settings.store_limit_bytes),
    }
    return {
        "settings": unusable,
        **(of_redis if with_redis else {}),
        "store": folder,
        "keys": access,
        "files": files,
    }


if __name__ == "__main__":
    main()
