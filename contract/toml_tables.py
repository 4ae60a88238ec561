"""A TOML file of tables of one kind, read and checked. Knows files; knows nothing of what is in an entry."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from contract.errors import CatalogError
from contract.reasons import first_reason

Entry = TypeVar("Entry", bound=BaseModel)


def read_tables(path: Path, kind: type[Entry], what: str, named_by: str) -> list[Entry]:
    """The entries of a file that holds nothing but `[[<what>s]]`, each with another `named_by`; there may be none.

    Raises CatalogError with the file, the entry, its key and the reason.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from None
    tables = document.pop(f"{what}s", [])
    if document or not isinstance(tables, list):
        raise CatalogError(f"{path}: must hold nothing but [[{what}s]] tables")
    entries = []
    for index, table in enumerate(tables):
        name = table.get(named_by, index + 1) if isinstance(table, dict) else index + 1
        try:
            entries.append(kind.model_validate(table))
        except ValidationError as error:
            raise CatalogError(f"{path}: {what} {name!r}: {first_reason(error)}") from None
    names = [getattr(entry, named_by) for entry in entries]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise CatalogError(f"{path}: the {named_by} {repeated!r} is used more than once")
    return entries
