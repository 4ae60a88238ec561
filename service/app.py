"""Assembles the app. Defines no route and holds no logic of its own."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis.asyncio
import structlog
from fastapi import FastAPI
from starlette.types import Lifespan

from contract.image_store import local_image_store
from contract.model_catalog import read_model_catalog
from contract.tracing import Tracing
from service.access.api_keys import ApiKeys
from service.access.secret_file import derived_key, read_secret
from service.access.signed_urls import SignedUrls
from service.access.web_page_guard import WebPageGuard
from service.dependencies import Parts
from service.dialects import huggingface
from service.dialects.a1111 import routes as a1111
from service.dialects.doubled_slashes import DoubledSlashes
from service.dialects.openai import images as openai_images
from service.dialects.openai import models as openai_models
from service.dialects.replicate import routes as replicate
from service.exception_handlers import install_exception_handlers
from service.grids.grids import Grids
from service.grids.sheets import Sheets
from service.housekeeping.chores import Housekeeping
from service.housekeeping.store_room import StoreRoom
from service.inspection.inspection import Inspections
from service.jobs.completion import Completion
from service.jobs.job_events import JobEvents
from service.jobs.job_queue import JobQueue
from service.jobs.submission import Submission
from service.metrics.process_metrics import ProcessMetrics
from service.metrics.request_metrics import RequestMetrics
from service.metrics.scrape import Scrape
from service.openapi.document import DocumentedApi
from service.openapi.webhooks import router as told_events
from service.pictures.image_variants import ImageVariants
from service.redis_client import connect
from service.routes import (
    docs,
    generate,
    grid_list,
    grids,
    health,
    images,
    inspect,
    job_list,
    jobs,
    metrics,
    models,
    playground,
    sheets,
    webhooks,
)
from service.routes import events as event_routes
from service.routes import styles as style_routes
from service.settings import ServiceSettings
from service.static_assets import StaticAssets
from service.styles import read_style_catalog
from service.traced_posts import TracedPosts
from service.webhooks.deliveries import Deliveries
from service.webhooks.sending import Sender, resolver
from service.webhooks.signing import WebhookSecrets
from service.wire.bounded_body import BoundedBody
from service.wire.every_method import EveryMethod

log = structlog.get_logger("darkroom.service")

_STATIC = Path(__file__).parent / "static"


def create_app(settings: ServiceSettings) -> FastAPI:
    """The ASGI app. Raises SettingsError, CatalogError or StoreError when it cannot be assembled."""
    client = connect(settings.redis_url)
    secret = read_secret(settings)
    signed_urls = SignedUrls(derived_key(secret, "image URLs"), settings.signed_url_seconds)
    store = local_image_store(settings.image_store)
    events = JobEvents(client)
    queue = JobQueue(client, events, store, signed_urls.sign)
    room = StoreRoom(client, settings.image_store, settings.min_free_bytes, settings.store_limit_bytes)
    submission = Submission(client, settings, room, signed_urls.sign)
    housekeeping = Housekeeping(client, store, settings)
    catalog = read_model_catalog(settings.models)
    styles = read_style_catalog(settings.styles)
    completion = Completion(catalog, styles, embed_parameters=settings.embed_parameters)
    webhook_secrets = WebhookSecrets(client, derived_key(secret, "webhooks"))
    sender = Sender(settings.allowed_receivers, resolver())
    process_metrics = ProcessMetrics()
    deliveries = Deliveries(
        client, webhook_secrets, sender, signed_urls.sign, settings.webhook_retry_scale, process_metrics
    )
    tracing = Tracing("service") if settings.tracing else None

    app = create_api(lambda _: _running(client, tracing, events.run, housekeeping.run, deliveries.run))
    keys = ApiKeys(settings.api_keys_file) if settings.api_keys_file else None
    app.state.parts = Parts(
        client=client,
        queue=queue,
        completion=completion,
        submission=submission,
        grids=Grids(client, events, store, completion, submission),
        sheets=Sheets(store, mark_ai=settings.mark_ai),
        events=events,
        store=store,
        variants=ImageVariants(store),
        inspections=Inspections(catalog),
        room=room,
        scrape=Scrape(client, catalog, room, process_metrics) if settings.metrics else None,
        catalog=catalog,
        styles=styles,
        signed_urls=signed_urls,
        webhook_secrets=webhook_secrets,
        keys=keys,
        public_url=settings.public_url,
    )
    if keys is None:  # no browser adds a key by itself, as it would a cookie: a page that has one may use it
        app.add_middleware(WebPageGuard, allowed_hosts=settings.allowed_host_names)
    if tracing is not None:
        app.add_middleware(TracedPosts)
    if settings.metrics:
        app.add_middleware(RequestMetrics, metrics=process_metrics)
    app.add_middleware(DoubledSlashes)  # the outermost: all others look at the path
    return app


def create_api(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The routes and their document, with nothing behind them: the same whatever the settings are."""
    app = DocumentedApi(
        title="Darkroom",
        summary="Asynchronous text-to-image over HTTP",
        version="0.1.0",
        openapi_url=None,  # as docs_url: those are routes like the others
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # It would send the query strings of requests and the texts of errors, which may hold what nobody else may see.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        redirect_slashes=False,  # a redirect would name the Host that the client sent, and http behind a TLS proxy
        webhooks=told_events,
    )
    app.add_middleware(EveryMethod)
    app.add_middleware(
        BoundedBody, larger={"/inspect": inspect.MAX_IMAGE_BYTES, a1111.PNG_INFO: a1111.MAX_PNG_INFO_BYTES}
    )
    install_exception_handlers(app)
    for routes in (
        generate,
        job_list,
        jobs,
        images,
        event_routes,
        grid_list,
        grids,
        sheets,
        inspect,
        models,
        style_routes,
        webhooks,
        metrics,
        health,
        docs,
        playground,
        replicate,
        openai_images,
        openai_models,
        a1111,
        huggingface,
    ):
        app.router.routes += routes.router.routes  # a router that is included finds its route anew for each request
    app.mount("/static", StaticAssets(directory=_STATIC), name="static")
    app.mount("/playground", StaticAssets(directory=playground.PLAYGROUND), name="playground")
    app.openapi()  # made now, and not while a request waits for it
    return app


@asynccontextmanager
async def _running(
    client: redis.asyncio.Redis, tracing: Tracing | None, *loops: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """What runs beside the routes, for as long as they do."""
    tasks = [asyncio.create_task(loop()) for loop in loops]
    for task in tasks:
        task.add_done_callback(_end_process)
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aclose()
    if tracing is not None:
        tracing.close()


def _end_process(task: asyncio.Task[None]) -> None:
    """What never ends has failed: better a process that is started anew than one that looks well and hears nothing."""
    if not task.cancelled():
        log.critical("service_cannot_go_on", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)
