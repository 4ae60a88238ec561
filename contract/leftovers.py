"""What a killed process leaves in the folder of a local image store and the store itself does not show.

A put writes to `<name>#<number>` beside the object and renames that. A process that dies between the two leaves the
file, which neither a listing nor a removal of the store's sees. A put that found no room leaves the folder it made.
Knows the file system; knows nothing of jobs beside the form of their ids, and touches nothing in any other folder.
"""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from contract.errors import StoreError
from contract.job import JOB_ID

_JOB_FOLDER = re.compile(JOB_ID)
_STAGED = re.compile(r".+#\d+")
_STAGED_CHECK = re.compile(r"check#\d+")


def remove_leftovers(folder: Path, older_than_seconds: float) -> int:
    """Removes staged files of that age and empty folders; how many files. Raises StoreError.

    The age keeps the file of a put that is still being written. A folder needs none: a put whose new folder is gone
    before its file is in it makes it again.
    """
    written_before = time.time() - older_than_seconds
    try:
        with os.scandir(folder) as entries:
            return sum(_tidy(entry, written_before) for entry in entries)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(str(error)) from error


def _tidy(entry: os.DirEntry[str], written_before: float) -> int:
    if entry.is_dir(follow_symlinks=False) and _JOB_FOLDER.fullmatch(entry.name):
        return _tidy_folder(entry.path, written_before)
    return _STAGED_CHECK.fullmatch(entry.name) is not None and _remove_if_old(entry, written_before)


def _tidy_folder(path: str, written_before: float) -> int:
    """The store, too, removes folders: one may be gone, or filled, from one moment to the next."""
    removed = kept = 0
    with suppress(FileNotFoundError):
        with os.scandir(path) as entries:
            for entry in entries:
                if _STAGED.fullmatch(entry.name) and _remove_if_old(entry, written_before):
                    removed += 1
                else:
                    kept += 1
        if not kept:
            with suppress(OSError):
                Path(path).rmdir()
    return removed


def _remove_if_old(entry: os.DirEntry[str], written_before: float) -> bool:
    """Whether it was."""
    with suppress(FileNotFoundError):
        if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < written_before:
            Path(entry.path).unlink()
            return True
    return False
