"""Assembles the app. Defines no route and holds no logic of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio
from fastapi import FastAPI
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.staticfiles import StaticFiles

from contract.image_store import local_image_store
from contract.model_catalog import read_model_catalog
from service.dependencies import Parts
from service.exception_handlers import install_exception_handlers
from service.housekeeping import Housekeeping
from service.job_queue import JobQueue
from service.routes import docs, generate, health, images, jobs, models
from service.security import WebPageGuard
from service.settings import ServiceSettings

_STATIC = Path(__file__).parent / "static"
_REDIS_SECONDS = 2.0
"""A frozen Redis must not hold a request longer than this; one retry covers a connection that went stale."""


def create_app(settings: ServiceSettings) -> FastAPI:
    """The ASGI app. Raises CatalogError or StoreError when it cannot be assembled."""
    client = redis.asyncio.Redis.from_url(
        settings.redis_url,
        decode_responses=True,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    queue = JobQueue(client, settings.job_timeout_seconds, settings.retention_seconds)
    store = local_image_store(settings.image_store)
    housekeeping = Housekeeping(client, store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(queue.listen()), asyncio.create_task(housekeeping.run())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.aclose()

    app = FastAPI(
        title="Darkroom",
        summary="Asynchronous text-to-image over HTTP",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.parts = Parts(client, queue, store, read_model_catalog(settings.models))
    app.add_middleware(WebPageGuard, allowed_hosts=settings.allowed_host_names)
    install_exception_handlers(app)
    for routes in (generate, jobs, images, models, health, docs):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app
