"""What happens to a job, as a prediction's stream tells it: `logs`, `output`, `error` and `done`.

Knows events and predictions; knows nothing of where events come from.
"""

import json

from fastapi import Request
from fastapi.sse import format_sse_event

from service.access.owners import Owner
from service.dependencies import Parts
from service.dialects.replicate.prediction import Prediction, progress_line
from service.dialects.replicate.shown import shown
from service.jobs.job_events import Event
from service.routes.events import EventStream

_REASONS = {"failed": {"reason": "error"}, "canceled": {"reason": "canceled"}}


class PredictionStream(EventStream):
    """One client's. Every event has an id, without which their clients drop it."""

    def __init__(self, request: Request, parts: Parts, owner: Owner, job_id: str, after: int) -> None:
        super().__init__(parts, owner, job_id, after)
        self._request = request

    async def _render(self, event: Event) -> bytes:
        if event.is_end:
            job = await self._parts.queue.fetch(self._job_id, self._owner)
            return _end(event.number, await shown(self._request, self._parts, job, self._owner))
        if event.type == "progress":
            step, total = event.data.split("/")
            return format_sse_event(id=str(event.number), event="logs", data_str=progress_line(int(step), int(total)))
        return b""


def _end(number: int, prediction: Prediction) -> bytes:
    outputs = [
        format_sse_event(id=f"{number}:{index}", event="output", data_str=url)
        for index, url in enumerate(prediction.output or ())
    ]
    if prediction.error is not None:
        outputs.append(format_sse_event(id=f"{number}:0", event="error", data_str=prediction.error))
    done = json.dumps(_REASONS.get(prediction.status, {}))
    return b"".join([*outputs, format_sse_event(id=str(number), event="done", data_str=done)])
