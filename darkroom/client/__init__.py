"""The Python client of a Darkroom service: `Darkroom` blocks, `AsyncDarkroom` is awaited. See docs/python.md.

Needs nothing of the service, the worker or torch.
"""

from darkroom.client.asynchronous import AsyncDarkroom
from darkroom.client.events import Ended, Event, Preview, Progressed, Queued, Running
from darkroom.client.offers import Model, Scheduler, Style
from darkroom.client.options import GenerationOptions, WebhookOptions
from darkroom.client.pictures import DrawnImage
from darkroom.client.records import Axis, Grid, Inspection, Job
from darkroom.client.sync import Darkroom

__all__ = [
    "AsyncDarkroom",
    "Axis",
    "Darkroom",
    "DrawnImage",
    "Ended",
    "Event",
    "GenerationOptions",
    "Grid",
    "Inspection",
    "Job",
    "Model",
    "Preview",
    "Progressed",
    "Queued",
    "Running",
    "Scheduler",
    "Style",
    "WebhookOptions",
]
