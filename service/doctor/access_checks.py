"""Who can come in, and the files that the service needs for it: keys, the secret, the prompt policy, both catalogs.

Knows files; makes none. Tells neither a key nor a secret.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from contract.errors import CatalogError, SettingsError
from contract.finding import Finding
from contract.loopback import is_loopback
from contract.model_catalog import read_model_catalog
from service.access.key_file import read_key_file
from service.access.secret_file import read_secret
from service.policy.prompt_policy import read_terms
from service.settings import ServiceSettings
from service.styles import read_style_catalog


def look_at_keys(settings: ServiceSettings) -> Iterator[Finding]:
    """Who may ask."""
    path = settings.api_keys_file
    if path is None:
        yield _without_keys(settings.host)
        return
    add = f"DARKROOM_API_KEYS_FILE={path} darkroom keys add NAME"
    try:
        keys = read_key_file(path).keys
    except SettingsError as error:
        mend = add if not path.exists() else f"mend it, or move it away and `{add}`"
        yield Finding(check="keys", verdict="wrong", found=str(error), mend=mend)
        return
    if not keys:
        yield Finding(check="keys", verdict="warning", found=f"{path} holds no key: nobody can ask", mend=add)
        return
    yield from _changed_by_others(path)
    yield Finding(check="keys", verdict="ok", found=f"keys in {path}: {len(keys)}")


def look_at_secret(settings: ServiceSettings) -> Finding:
    """What URLs and webhooks are signed with."""
    path = settings.secret_file or settings.data_dir / "secret"
    if settings.secret_file is None and not path.exists():
        return Finding(check="secret", verdict="ok", found=f"{path} is made when the service first starts")
    try:
        read_secret(settings)
    except SettingsError as error:
        mend = "as it says; another secret, such as `openssl rand -hex 32` makes, closes all signed URLs"
        return Finding(check="secret", verdict="wrong", found=str(error), mend=mend)
    return Finding(check="secret", verdict="ok", found=f"{path} can be used")


def look_at_files(settings: ServiceSettings) -> Iterator[Finding]:
    """What the service reads when it starts."""
    readers = {
        "MODELS": (settings.models, read_model_catalog),
        "STYLES": (settings.styles, read_style_catalog),
        "PROMPT_POLICY": (settings.prompt_policy, read_terms),
    }
    for name, (path, read) in readers.items():
        if path is None:
            continue
        try:
            read(path)
        except (CatalogError, SettingsError) as error:
            mend = f"mend the file, or name another in DARKROOM_{name}"
            yield Finding(check="files", verdict="wrong", found=str(error), mend=mend)
        else:
            yield Finding(check="files", verdict="ok", found=f"{path} can be used")


def _without_keys(host: str) -> Finding:
    found = f"no key is asked for, and {host} is listened on"
    if is_loopback(host):
        return Finding(check="keys", verdict="ok", found=f"{found}: this machine alone")
    mend = "DARKROOM_API_KEYS_FILE asks for keys; leave it so only where something else lets nobody in"
    return Finding(check="keys", verdict="warning", found=f"{found}: whoever reaches it can use it", mend=mend)


def _changed_by_others(path: Path) -> Iterator[Finding]:
    """Who can write the file, or put another in its place, can let himself in."""
    for place in (path, path.resolve().parent):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not (place.is_dir() and mode & stat.S_ISVTX):
            found = f"every user of this machine can change {place}, and let himself in"
            yield Finding(check="keys", verdict="wrong", found=found, mend=f"chmod o-w {place}")
