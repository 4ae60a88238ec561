"""Everything that `darkroom doctor` looks at, put together.

Knows who looks at what; knows nothing of how it is shown.
"""

from collections.abc import Iterator

from darkroom.doctor.finding import Finding
from darkroom.doctor.rooms import Report, Room
from darkroom.doctor.settings import DoctorSettings, known_variables, variables_set
from darkroom.doctor.surroundings import look_at_port, look_at_serve, look_at_service
from darkroom.doctor.variables import misspelt
from darkroom.serve import reachable
from darkroom.settings import environment_with

_SERVICE_SECONDS = 90.0
_WORKER_SECONDS = 400.0
_DEEP_SECONDS = 6000.0
"""Longer than the rooms give their checks: only a room that hangs as a whole takes so long."""
_SETTINGS_ARE_WELL = Finding(check="settings", verdict="ok", found="every variable that is set can be used")


def examine(settings: DoctorSettings, *, deep: bool) -> list[Finding]:
    """All findings, those of settings first; each once."""
    serve, redis_url = [], settings.redis_url
    if redis_url is None:
        redis_url, finding = look_at_serve(settings.data_dir)
        serve = [finding]
    environment = _environment(settings, redis_url)
    service = Room("service", [] if redis_url else ["--without-redis"], environment)
    worker = Room("worker", ["--deep"] if deep else [], environment)
    reports = service.report(_SERVICE_SECONDS), worker.report(_DEEP_SECONDS if deep else _WORKER_SECONDS)
    around = [*_elsewhere(settings)] if _is_client_alone(reports) else [*serve, *_at_its_address(settings)]
    told = [*_misspelt(reports), *(finding for report in reports for finding in report.findings)]
    of_settings = [finding for finding in told if finding.check == "settings"]
    others = [finding for finding in told if finding.check != "settings"]
    return list(dict.fromkeys([*(of_settings or [_SETTINGS_ARE_WELL]), *around, *others]))


def _environment(settings: DoctorSettings, redis_url: str | None) -> dict[str, str]:
    """That of the rooms, as `darkroom serve` makes it."""
    own = {"data_dir": str(settings.data_dir.absolute()), "host": settings.host, "port": settings.port}
    return environment_with(**own, **({"redis_url": redis_url} if redis_url else {}))


def _misspelt(reports: tuple[Report, Report]) -> Iterator[Finding]:
    """Only where both rooms told what they read is anything known to be misspelt."""
    if all(report.settings for report in reports):
        known = known_variables().union(*(report.settings for report in reports))
        yield from misspelt(variables_set(), known)


def _is_client_alone(reports: tuple[Report, Report]) -> bool:
    """Whether neither room is installed: there is then nothing to serve here."""
    findings = [finding for report in reports for finding in report.findings]
    return not any(report.settings for report in reports) and all(each.verdict == "skipped" for each in findings)


def _elsewhere(settings: DoctorSettings) -> Iterator[Finding]:
    yield from look_at_service(settings.url or f"http://{reachable(settings.host)}:{settings.port}", elsewhere=True)


def _at_its_address(settings: DoctorSettings) -> Iterator[Finding]:
    """The service, or the port that it would have."""
    if settings.url is not None:
        yield from look_at_service(settings.url, elsewhere=True)
    elif settings.port.isdecimal() and 0 < int(settings.port) < 65536:  # else the service says that it is none
        port = int(settings.port)
        findings = look_at_service(f"http://{reachable(settings.host)}:{port}", elsewhere=False)
        yield from findings or [look_at_port(settings.host, port)]
