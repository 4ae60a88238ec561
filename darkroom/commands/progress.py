"""How a job or a grid goes, on a terminal: its place in line, then its steps or cells. Gone when it has ended."""

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn

from darkroom.commands.terminal_picture import TerminalPicture

if TYPE_CHECKING:
    from darkroom.client import Grid, Job

_REFRESHES_PER_SECOND = 4


class Shown:
    """A line that is written over, with the preview above it where there is a `picture`."""

    def __init__(self, picture: TerminalPicture | None = None) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}")
        self._bar = Progress(*columns)
        self._task = self._bar.add_task("", total=None, note="")
        self._picture = picture
        self._content: bytes | None = None
        self._preview: RenderableType | None = None
        self._live = Live(
            console=Console(stderr=True),
            get_renderable=self._renderable,
            transient=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
        )

    def __enter__(self) -> "Shown":
        self._live.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._picture is not None:
            self._picture.forget()

    def in_line(self, job: "Job") -> None:
        place = "waiting" if job.queue_position is None else f"place {job.queue_position} in line"
        self._bar.update(self._task, description=place, total=None, note=_about(job.eta_seconds))

    def steps(self, step: int, total: int) -> None:
        self._bar.update(self._task, description="drawing", completed=step, total=total, note=f"step {step} of {total}")

    def cells(self, grid: "Grid") -> None:
        ended = len(grid.cells) - grid.counts.queued - grid.counts.running
        note = f"{ended} of {len(grid.cells)} cells {_about(grid.eta_seconds)}"
        self._bar.update(self._task, description="drawing", completed=grid.progress, total=1.0, note=note)

    def preview(self, content: bytes) -> None:
        """Shown at the next refresh, unless a later one comes before: more of them come than anybody sees."""
        self._content = content

    def _renderable(self) -> RenderableType:
        content, self._content = self._content, None
        if self._picture is not None and content is not None:
            self._preview = self._picture.renderable(content)
        return self._bar if self._preview is None else Group(self._preview, self._bar)


def _about(seconds: float | None) -> str:
    return "" if seconds is None else f"about {seconds:.0f} s"
