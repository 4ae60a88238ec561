"""Grids as the routes see them: submit, fetch, wait, cancel, list, delete.

Another owner's grid is one that never was. Knows Redis and the scripts; knows nothing of HTTP.
"""

import asyncio
import time
from typing import Any

import redis.asyncio
import structlog

from contract import keys, scripts
from contract.grid import GridRecord, GridStatus, grid_from_record
from contract.image_store import ImageStore
from contract.job import is_id
from contract.parameters import JobRequest
from service.access.owners import Owner
from service.errors import GridExpired, GridNotEnded, GridNotFound
from service.grids.grid_request import GridPlan, GridRequest
from service.jobs.completion import Completed, Completion, draw_seed
from service.jobs.job_events import RECHECK_SECONDS, JobEvents
from service.jobs.submission import Submission, Submitted

log = structlog.get_logger("darkroom.service")


class Grids:
    """The grids in Redis. Every method raises RedisError; where it is given an id, GridNotFound and GridExpired."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        events: JobEvents,
        store: ImageStore,
        completion: Completion,
        submission: Submission,
    ) -> None:
        self._client = client
        self._events = events
        self._store = store
        self._completion = completion
        self._submission = submission
        self._fetch = client.register_script(scripts.GRID)
        self._cancel = client.register_script(scripts.CANCEL_GRID)
        self._list = client.register_script(scripts.LIST_GRIDS)
        self._remove = client.register_script(scripts.REMOVE)

    async def submit(self, asked: GridRequest, owner: Owner, idempotency_key: str | None) -> Submitted[GridRecord]:
        """All of its jobs in line, or none. Raises what Submission.submit_grid does.

        A seed that nobody names is drawn once, so that the cells differ in what their axes name alone.
        """
        seed = draw_seed(asked.parameters.num_images_per_prompt)

        def complete(request: JobRequest) -> Completed:
            completed = self._completion.complete(request, seed)
            self._submission.check_bounds(request, completed.parameters, owner)
            return completed

        plan = GridPlan(asked)
        # Long prompts in many cells are seconds of work, which nobody else is to wait for.
        cells = await asyncio.to_thread(plan.complete, complete)
        return await self._submission.submit_grid(
            asked, asked.parameters, plan.shape(cells), cells, owner, idempotency_key
        )

    async def fetch(self, grid_id: str, owner: Owner | None) -> GridRecord:
        """The grid as it is now; the owner is None where the address itself was the permission."""
        return await self._run(self._fetch, grid_id, *([owner.name] if owner else []))

    async def cancel(self, grid_id: str, owner: Owner) -> GridRecord:
        """The grid; its jobs that were queued are canceled, those that are running are about to be."""
        grid = await self._run(self._cancel, grid_id, owner.name)
        log.info("cancel_asked", grid_id=grid_id, owner=owner.name, status=grid.status.value)
        return grid

    async def wait(self, grid_id: str, owner: Owner, seconds: float) -> GridRecord:
        """The grid once all of its jobs have ended, or as it is after that many seconds."""
        deadline = time.monotonic() + seconds
        awaited = ""
        while True:
            with self._events.listen(awaited, ends_only=True) as feed:
                grid = await self.fetch(grid_id, owner)
                left = deadline - time.monotonic()
                # Jobs take their turns in order: the last one is likely to be the last to end.
                last = next((cell.job_id for cell in reversed(grid.cells) if not cell.ended), None)
                if last is None or left <= 0 or feed.closed:
                    return grid
                if last == awaited:  # and so whatever became of it since the fetch is told
                    await feed.wait(min(left, RECHECK_SECONDS))
                awaited = last

    async def page(self, owner: Owner, limit: int, before: int | None) -> tuple[list[GridRecord], int | None]:
        """The owner's grids, newest first, without their pictures; and where to go on, None at the end."""
        position = "+inf" if before is None else f"({before}"
        rest, found = await self._list(args=[owner.name, position, limit])
        return [grid_from_record(grid_id, record) for grid_id, record in found], None if rest is None else int(rest)

    async def delete(self, grid_id: str, owner: Owner) -> None:
        """Purges the grid with its jobs and their images. Raises GridNotEnded.

        Raises StoreError where the store fails on the way; as what is begun is finished, retention then does the rest.
        """
        grid = await self.fetch(grid_id, owner)
        if grid.status is not GridStatus.ENDED:
            raise GridNotEnded("Only a grid whose jobs have all ended can be deleted: cancel it first.")
        job_ids = [cell.job_id for cell in grid.cells if cell.status is not None]
        await self._client.zadd(keys.EXPIRING, dict.fromkeys(job_ids, 0), xx=True)
        for job_id in job_ids:
            await self._store.remove_all(job_id)
        async with self._client.pipeline(transaction=False) as transaction:
            for job_id in job_ids:
                await self._remove(args=[job_id, 0], client=transaction)
            await transaction.execute()
        for job_id in job_ids:
            log.info("job_deleted", job_id=job_id, owner=owner.name, grid_id=grid_id)

    async def _run(self, script: Any, grid_id: str, *arguments: str) -> GridRecord:
        record = await script(args=[grid_id, *arguments]) if is_id(grid_id) else None
        if record is None:
            # The same for whatever was asked: nobody learns whether another owner has such a grid.
            raise GridNotFound("There is no such grid.")
        if record == "gone":
            raise GridExpired("The grid is no longer kept.")
        return grid_from_record(grid_id, record)
