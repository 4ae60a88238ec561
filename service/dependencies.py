"""What the routes work with, made once by create_app and handed to each route by FastAPI."""

from dataclasses import dataclass
from typing import Annotated

import redis.asyncio
from fastapi import Depends, Request

from contract.image_store import ImageStore
from contract.model_catalog import ModelCatalog
from service.image_variants import ImageVariants
from service.job_events import JobEvents
from service.job_queue import JobQueue
from service.owners import ANONYMOUS, Owner
from service.submission import Submission


@dataclass(frozen=True)
class Parts:
    """The long-lived parts of one service process."""

    client: redis.asyncio.Redis
    queue: JobQueue
    submission: Submission
    events: JobEvents
    store: ImageStore
    variants: ImageVariants
    catalog: ModelCatalog


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


WithParts = Annotated[Parts, Depends(_parts)]


def _owner() -> Owner:
    return ANONYMOUS


WithOwner = Annotated[Owner, Depends(_owner)]
