"""`AsyncDarkroom`: the client that is awaited, under asyncio. Sends what the verbs ask for; what that is, they know."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
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


class AsyncDarkroom(Client):
    """A client of one service, in one event loop. Its verbs are those of `Darkroom`, awaited.

    `stream` and `jobs` are asynchronous iterators.
    """

    def _connect(self, options: dict[str, Any]) -> None:
        self._http = httpx.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def generate(
        self,
        prompt: str,
        *,
        wait_seconds: float | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[GenerationOptions],
    ) -> list[DrawnImage]:
        return await self._run(self._verbs.generate(prompt, wait_seconds, idempotency_key, options))

    async def submit(
        self, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[GenerationOptions]
    ) -> Job:
        return await self._run(self._verbs.submit(prompt, idempotency_key, options))

    async def job(self, job: Job | str) -> Job:
        return await self._run(self._verbs.job(job))

    async def wait(self, job: Job | str, wait_seconds: float | None = None) -> Job:
        return await self._run(self._verbs.wait(job, wait_seconds))

    async def stream(self, job: Job | str, *, preview: bool = False) -> AsyncIterator[Event]:
        listening = await self._run(self._verbs.listening(job, preview))
        while not listening.over:
            try:
                async with self._http.stream(**listening.request.arguments(self._http.timeout)) as answer:
                    if answer.status_code == httpx.codes.OK:
                        async for message in EventSource(answer).aiter_sse():
                            if event := listening.heard(message):
                                yield event
                    else:
                        await answer.aread()
                reply: Reply = answer
            except httpx.RequestError as error:
                reply = error
            if not listening.over and (event := await self._run(listening.go_on(reply))):
                yield event

    async def cancel(self, job: Job | str) -> Job:
        return await self._run(self._verbs.cancel(job))

    async def delete(self, job: Job | str) -> None:
        await self._run(self._verbs.delete(job))

    async def jobs(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] = (),
        model: str | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        limit: int | None = None,
    ) -> AsyncIterator[Job]:
        listing = Listing(status, model, labels, limit)
        while not listing.over:
            for job in await self._run(self._verbs.page(listing)):
                yield job

    async def images(self, job: Job | str) -> list[DrawnImage]:
        return await self._run(self._verbs.images(job))

    async def image(
        self, image: GeneratedImage, *, output_format: OutputFormat | None = None, width: int | None = None
    ) -> bytes:
        return await self._run(self._verbs.image(image, output_format, width))

    async def grid(
        self, parameters: Mapping[str, Any], *, x: Axis, y: Axis | None = None, idempotency_key: str | None = None
    ) -> Grid:
        return await self._run(self._verbs.grid(parameters, x, y, idempotency_key))

    async def grid_status(self, grid: Grid | str) -> Grid:
        return await self._run(self._verbs.grid_status(grid))

    async def wait_grid(self, grid: Grid | str, wait_seconds: float | None = None) -> Grid:
        return await self._run(self._verbs.wait_grid(grid, wait_seconds))

    async def cancel_grid(self, grid: Grid | str) -> Grid:
        return await self._run(self._verbs.cancel_grid(grid))

    async def grid_sheet(self, grid: Grid | str, *, output_format: OutputFormat = "png") -> bytes:
        return await self._run(self._verbs.grid_sheet(grid, output_format))

    async def models(self) -> list[Model]:
        return await self._run(self._verbs.models())

    async def schedulers(self) -> list[Scheduler]:
        return await self._run(self._verbs.schedulers())

    async def styles(self) -> list[Style]:
        return await self._run(self._verbs.styles())

    async def inspect(self, image: bytes | Path) -> Inspection:
        return await self._run(self._verbs.inspect(image))

    async def readiness(self) -> dict[str, Any]:
        return await self._run(self._verbs.readiness())

    async def _run(self, exchange: Exchange[T]) -> T:
        reply: Reply | None = None
        while True:
            try:
                step = exchange.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = await self._carry_out(step)

    async def _carry_out(self, step: Request | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.request(**step.arguments(self._http.timeout))
        except httpx.RequestError as error:
            return error
