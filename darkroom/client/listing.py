"""A list of jobs that is read page by page: the filter, and where the next page begins. Asks for nothing itself."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from darkroom.client.options import JobStatus
from darkroom.client.records import Job, Record

NO_LABELS: Mapping[str, str] = MappingProxyType({})
_PAGE = 50
"""Jobs that are asked for at a time."""


class Page(Record):
    """`next_cursor` is None on the last one."""

    jobs: list[Job]
    next_cursor: str | None


class Listing:
    """One reader's place in a list; `limit` is how many jobs it wants, None for all."""

    def __init__(
        self, status: JobStatus | Iterable[JobStatus], model: str | None, labels: Mapping[str, str], limit: int | None
    ) -> None:
        statuses = [status] if isinstance(status, str) else status
        self._filter = [
            *(("status", each) for each in statuses),
            *([] if model is None else [("model", model)]),
            *(("label", f"{name}:{value}") for name, value in labels.items()),
        ]
        self._left = limit
        self._cursor: str | None = None
        self.over = limit is not None and limit <= 0

    @property
    def query(self) -> list[tuple[str, str]]:
        """Of the next page."""
        size = _PAGE if self._left is None else min(self._left, _PAGE)
        cursor = [] if self._cursor is None else [("cursor", self._cursor)]
        return [*self._filter, ("limit", str(size)), *cursor]

    def turn(self, page: Page) -> list[Job]:
        """The jobs of a page that has come. A page may be empty and not the last."""
        self._cursor = page.next_cursor
        if self._left is not None:
            self._left -= len(page.jobs)
        self.over = page.next_cursor is None or self._left == 0
        return page.jobs
