"""`python -m service.keys add NAME | list | revoke NAME`: what `darkroom keys` runs.

Changes the key file; a running service follows it. Knows nothing of HTTP, Redis or jobs. A key is printed once, alone
on standard output, and is in no argument and no file.
"""

import argparse
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from contract.errors import SettingsError
from service.access.key_file import ApiKey, KeyFile, KeyLimits, hash_of, locked, read_key_file, write_key_file
from service.settings import KeysSettings


class KeysRefused(Exception):
    """What was asked for cannot be done; the message says why."""


def main() -> int:
    """The exit code: 0, 1 where the file or the name cannot be used, 2 where the command line cannot."""
    parser = _parser()
    arguments = parser.parse_args()
    configured = KeysSettings().api_keys_file
    path: Path | None = arguments.file or configured
    if path is None:
        parser.error("which file? Set DARKROOM_API_KEYS_FILE, or give --file")
    path = path.resolve()
    try:
        if arguments.verb == "add":
            limits = KeyLimits(**{name: getattr(arguments, name) for name in KeyLimits.model_fields})
            _show_once(arguments.name, add(path, arguments.name, limits), path, configured)
        elif arguments.verb == "revoke":
            revoke(path, arguments.name)
        else:
            print(listing(read_key_file(path), as_json=arguments.json))
    except OSError as error:
        print(f"darkroom: the key file {path} cannot be changed: {error.strerror}", file=sys.stderr)
    except (KeysRefused, SettingsError) as error:
        print(f"darkroom: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def add(path: Path, name: str, limits: KeyLimits) -> str:
    """The new key; the file is made where there is none. Raises KeysRefused, SettingsError, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = f"dk_{secrets.token_urlsafe(32)}"
    entry = _entry(name, key, limits)
    with locked(path):
        keys = read_key_file(path).keys if path.exists() else ()
        if any(each.name == name for each in keys):
            raise KeysRefused(f"there is a key named {name!r} already: revoke it first, or choose another name")
        write_key_file(path, KeyFile(keys=(*keys, entry)))
    return key


def revoke(path: Path, name: str) -> None:
    """Removes the entry. Raises KeysRefused, SettingsError, OSError."""
    with locked(path):
        keys = read_key_file(path).keys
        left = tuple(key for key in keys if key.name != name)
        if len(left) == len(keys):
            raise KeysRefused(f"there is no key named {name!r} in {path}")
        write_key_file(path, KeyFile(keys=left))


def listing(content: KeyFile, *, as_json: bool) -> str:
    """Name, creation and limits of each key, by a line each or as JSON."""
    if as_json:
        return content.model_dump_json(indent=2, exclude={"keys": {"__all__": {"hash"}}})
    return "\n".join(_line(key) for key in content.keys) or "no keys"


def _line(key: ApiKey) -> str:
    limits = " ".join(f"{name}={limit}" for name, limit in key.limits.model_dump(exclude_none=True).items())
    return f"{key.name:24} {key.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}  {limits}".rstrip()


def _entry(name: str, key: str, limits: KeyLimits) -> ApiKey:
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        return ApiKey(name=name, hash=hash_of(key), created_at=now, limits=limits)
    except ValidationError as error:
        raise KeysRefused(f"{name!r} cannot name a key: {error.errors()[0]['msg']}") from None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _show_once(name: str, key: str, path: Path, configured: Path | None) -> None:
    print(key, flush=True)
    words = [
        f"The key of {name!r}, shown this once: only its SHA-256 is kept, in {path}.",
        "Send it as the header `Authorization: Bearer <key>`. A running service knows it within two seconds.",
    ]
    if configured is None or configured.resolve() != path:
        words.append(f"Start the service with DARKROOM_API_KEYS_FILE={path}: without it, it asks for no key.")
    print("\n".join(words), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom keys")
    verbs = parser.add_subparsers(dest="verb", required=True)
    adding, showing, revoking = (verbs.add_parser(verb) for verb in ("add", "list", "revoke"))
    for verb in (adding, showing, revoking):
        verb.add_argument("--file", type=Path)
    for verb in (adding, revoking):
        verb.add_argument("name")
    for limit in KeyLimits.model_fields:
        adding.add_argument(f"--{limit.replace('_', '-')}", type=_positive)
    showing.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
