"""A caller's own requests that have not ended: the one that is drawn, what it looks like, and how it is given up.

Knows the jobs of this dialect, by their labels; knows nothing of the web UI's answers.
"""

import asyncio
import json
from typing import NamedTuple

from contract.job import Job, JobStatus
from service.access.owners import Owner
from service.dependencies import Parts
from service.dialects.a1111.txt2img import LABEL, REQUEST_LABEL

_PREVIEW_SECONDS = 1.0
"""How long a look may wait for the next preview; where steps take longer, one look in several finds one."""


class CurrentRequest(NamedTuple):
    """`job` is the part that is drawn, or next to be; `waiting` are the parts behind it."""

    job: Job
    waiting: list[Job]

    @property
    def eta_seconds(self) -> float:
        """Until the last part's end; 0 where nobody knows."""
        return [self.job, *self.waiting][-1].eta_seconds or 0.0


async def current_request(parts: Parts, owner: Owner) -> CurrentRequest | None:
    """The one of the owner's that is drawn, or next to be. Raises RedisError."""
    name, dialect = LABEL
    requests = {
        job_id: labels.get(REQUEST_LABEL)
        for job_id, labels in (await parts.queue.unended(owner)).items()
        if labels.get(name) == dialect
    }
    first = next(iter(requests.values()), None)
    ids = [job_id for job_id, request in requests.items() if request == first]
    jobs = await asyncio.gather(*(parts.queue.fetch(job_id, owner) for job_id in ids))
    unended = [job for job in jobs if not job.status.ended]
    return CurrentRequest(unended[0], unended[1:]) if unended else None


async def preview_of(parts: Parts, job: Job) -> str | None:
    """The next preview of a running job, as base64 of a small JPEG; None where there is none within a second."""
    if job.status is not JobStatus.RUNNING:
        return None
    try:
        async with asyncio.timeout(_PREVIEW_SECONDS):
            with parts.events.listen(job.id, previews=True) as feed:
                while not feed.closed and not any(event.is_end for event in feed.take()):
                    if shown := feed.take_previews():
                        return str(json.loads(shown[-1])["image"]).partition(",")[2]
                    await feed.wait(_PREVIEW_SECONDS)
    except TimeoutError:
        pass
    return None
