"""`Darkroom`: the client that blocks. Sends what the verbs ask for; what that is, they know."""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import httpx
from httpx_sse import EventSource

from darkroom.client.client import Client
from darkroom.client.events import Event
from darkroom.client.exchange import Exchange, Pause, Reply, Request, T
from darkroom.client.listing import NO_LABELS, Listing
from darkroom.client.offers import Model, Scheduler, Style
from darkroom.client.options import GenerationOptions, JobStatus, OutputFormat
from darkroom.client.pictures import DrawnImage
from darkroom.client.records import Axis, GeneratedImage, Grid, Inspection, Job


class Darkroom(Client):
    """A client of one service; threads may share it.

    Every verb raises CannotConnect, a Problem or UnexpectedAnswer, after it has tried again what may pass by itself:
    up to `max_retries` times, with growing pauses. See darkroom.client.errors.
    """

    def _connect(self, options: dict[str, Any]) -> None:
        self._http = httpx.Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections; jobs go on."""
        self._http.close()

    def generate(
        self,
        prompt: str,
        *,
        wait_seconds: float | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[GenerationOptions],
    ) -> list[DrawnImage]:
        """The pictures, once they are drawn. Raises JobFailed, JobCanceled or, after `wait_seconds`, WaitTimeout."""
        return self._run(self._verbs.generate(prompt, wait_seconds, idempotency_key, options))

    def submit(self, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[GenerationOptions]) -> Job:
        """The job, in line. A key of its own goes with it, so that a try whose answer was lost makes no second job.

        With an `idempotency_key` of yours (1 to 255 characters of ASCII) that holds for a submit of tomorrow, too.
        """
        return self._run(self._verbs.submit(prompt, idempotency_key, options))

    def job(self, job: Job | str) -> Job:
        """As it is now. Raises JobNotFound or JobExpired, as does whatever takes a job."""
        return self._run(self._verbs.job(job))

    def wait(self, job: Job | str, wait_seconds: float | None = None) -> Job:
        """The job once it has ended, however that was. Raises WaitTimeout; None is as long as it takes.

        A service that is started again meanwhile is waited for, up to `outage_seconds`.
        """
        return self._run(self._verbs.wait(job, wait_seconds))

    def stream(self, job: Job | str, *, preview: bool = False) -> Iterator[Event]:
        """What happens to the job, until its end, the last event. Cut connections are taken up where they were."""
        listening = self._run(self._verbs.listening(job, preview))
        while not listening.over:
            try:
                with self._http.stream(**listening.request.arguments(self._http.timeout)) as answer:
                    if answer.status_code == httpx.codes.OK:
                        for message in EventSource(answer).iter_sse():
                            if event := listening.heard(message):
                                yield event
                    else:
                        answer.read()
                reply: Reply = answer
            except httpx.RequestError as error:
                reply = error
            if not listening.over and (event := self._run(listening.go_on(reply))):
                yield event

    def cancel(self, job: Job | str) -> Job:
        """Can be repeated. A running job ends at its next step; one that has ended stays as it is."""
        return self._run(self._verbs.cancel(job))

    def delete(self, job: Job | str) -> None:
        """The job and its pictures, for ever. Raises JobNotEnded."""
        self._run(self._verbs.delete(job))

    def jobs(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] = (),
        model: str | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Yours, newest first: of any of these statuses, that model, and with all of these labels."""
        listing = Listing(status, model, labels, limit)
        while not listing.over:
            yield from self._run(self._verbs.page(listing))

    def images(self, job: Job | str) -> list[DrawnImage]:
        """Every picture of a job. Raises JobFailed or JobCanceled, and WaitTimeout where it has not ended."""
        return self._run(self._verbs.images(job))

    def image(
        self, image: GeneratedImage, *, output_format: OutputFormat | None = None, width: int | None = None
    ) -> bytes:
        """One picture, as it is stored, or in another format, or at most 64, 128, 256, 512 or 1024 pixels wide."""
        return self._run(self._verbs.image(image, output_format, width))

    def grid(
        self, parameters: Mapping[str, Any], *, x: Axis, y: Axis | None = None, idempotency_key: str | None = None
    ) -> Grid:
        """A job for each pair of values, all in line; `parameters` are what they share, named as for `submit`."""
        return self._run(self._verbs.grid(parameters, x, y, idempotency_key))

    def grid_status(self, grid: Grid | str) -> Grid:
        """As it is now. Raises GridNotFound or GridExpired, as does whatever takes a grid."""
        return self._run(self._verbs.grid_status(grid))

    def wait_grid(self, grid: Grid | str, wait_seconds: float | None = None) -> Grid:
        """The grid once all of its jobs have ended. Raises GridWaitTimeout; else as `wait`."""
        return self._run(self._verbs.wait_grid(grid, wait_seconds))

    def cancel_grid(self, grid: Grid | str) -> Grid:
        """Every job of it that has not ended; can be repeated."""
        return self._run(self._verbs.cancel_grid(grid))

    def grid_sheet(self, grid: Grid | str, *, output_format: OutputFormat = "png") -> bytes:
        """All cells on one labelled picture, as the grid is now."""
        return self._run(self._verbs.grid_sheet(grid, output_format))

    def models(self) -> list[Model]:
        """On offer, and how each stands in the worker that is readiest for it."""
        return self._run(self._verbs.models())

    def schedulers(self) -> list[Scheduler]:
        """Every method of denoising that there is."""
        return self._run(self._verbs.schedulers())

    def styles(self) -> list[Style]:
        """On offer."""
        return self._run(self._verbs.styles())

    def inspect(self, image: bytes | Path) -> Inspection:
        """What an image file says of where it comes from. Raises NotAnImage or NoParametersFound."""
        return self._run(self._verbs.inspect(image))

    def readiness(self) -> dict[str, Any]:
        """Of the service, its Redis, its store and its workers; also where the service says that it is not ready."""
        return self._run(self._verbs.readiness())

    def _run(self, exchange: Exchange[T]) -> T:
        reply: Reply | None = None
        while True:
            try:
                step = exchange.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = self._carry_out(step)

    def _carry_out(self, step: Request | Pause) -> Reply | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.request(**step.arguments(self._http.timeout))
        except httpx.RequestError as error:
            return error
