"""The paths of AUTOMATIC1111's web UI that clients ask for: /sdapi/v1.

Knows paths; what is behind them is in the modules beside this one. What there is none of here is an empty list.
"""

import asyncio
import base64
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from contract.job import JobStatus
from service.dependencies import WithBasicOwner, WithParts
from service.dialects.a1111.answers import file_parameters, generated, progress
from service.dialects.a1111.chosen_model import choose_model, chosen_model
from service.dialects.a1111.current_jobs import current_request, preview_of
from service.dialects.a1111.samplers import combined_names, sampler_names, schedule_types
from service.dialects.a1111.txt2img import Txt2Img, find_model, job_requests
from service.dialects.attended import attended, contents, end_of
from service.errors import NoParametersFound, NotAnImage, NotFound
from service.routes.router import api_router
from service.wire.json_body import json_body

PNG_INFO = "/sdapi/v1/png-info"
MAX_PNG_INFO_BYTES = 16 * 1024 * 1024
"""Of the body, in which a file is a third larger than it is."""
NOTHING: MappingProxyType[str, Any] = MappingProxyType(
    {
        "cmd-flags": {},
        "embeddings": {"loaded": {}, "skipped": {}},
        "extensions": [],
        "face-restorers": [],
        "hypernetworks": [],
        "latent-upscale-modes": [],
        "loras": [],
        "memory": {"ram": {}, "cuda": {}},
        "realesrgan-models": [],
        "script-info": [],
        "scripts": {"txt2img": [], "img2img": []},
        "sd-vae": [],
        "upscalers": [],
    }
)
"""What clients ask for and there is none of."""

router = api_router()


class Options(BaseModel):
    """Of the web UI's hundreds the one that can be set."""

    model_config = ConfigDict(extra="ignore")

    sd_model_checkpoint: str | None = None


class PngInfo(BaseModel):
    model_config = ConfigDict(extra="ignore")

    image: str


_png_info_body = json_body(PngInfo)


@router.post("/sdapi/v1/txt2img")
async def txt2img(
    owner: WithBasicOwner, asked: Annotated[Txt2Img, Depends(json_body(Txt2Img))], request: Request, parts: WithParts
) -> JSONResponse:
    """All pictures, or none; where they were interrupted, those that were ready."""
    wanted = job_requests(asked, parts.catalog, await chosen_model(parts, owner))
    ended, files = [], []
    async with AsyncExitStack() as stack:
        jobs = [await stack.enter_async_context(attended(parts, each, owner)) for each in wanted]
        for job in jobs:
            ended.append(await end_of(request, parts, job, owner))
            if ended[-1].status is not JobStatus.CANCELED:
                files += await contents(parts, ended[-1], owner)
    sent = [] if asked.send_images is False else files

    def answer() -> JSONResponse:
        return JSONResponse(generated(ended, sent, batch_size=asked.batch_size or 1))

    return await asyncio.to_thread(answer)  # megabytes


@router.post("/sdapi/v1/img2img")
async def img2img(_: WithBasicOwner) -> None:
    raise NotFound("Pictures are made from text here, not from other pictures: there is no img2img.")


@router.get("/sdapi/v1/progress")
async def get_progress(owner: WithBasicOwner, parts: WithParts, skip_current_image: bool = False) -> JSONResponse:
    current = await current_request(parts, owner)
    if current is None:
        return JSONResponse(progress(None, 0.0, None))
    preview = None if skip_current_image else await preview_of(parts, current.job)
    return JSONResponse(progress(current.job, current.eta_seconds, preview))


@router.post("/sdapi/v1/interrupt")
async def interrupt(owner: WithBasicOwner, parts: WithParts) -> JSONResponse:
    """Gives up the caller's request that is drawn: whoever waits for it gets what is ready."""
    current = await current_request(parts, owner)
    if current is not None:
        for job in (*reversed(current.waiting), current.job):
            await parts.queue.cancel(job.id, owner)
    return JSONResponse({})


@router.post("/sdapi/v1/skip")
async def skip(owner: WithBasicOwner, parts: WithParts) -> JSONResponse:
    """Gives up the part of it that is drawn, and goes on with the next."""
    current = await current_request(parts, owner)
    if current is not None:
        await parts.queue.cancel(current.job.id, owner)
    return JSONResponse(None)


@router.get("/sdapi/v1/options")
async def get_options(owner: WithBasicOwner, parts: WithParts) -> JSONResponse:
    model = await chosen_model(parts, owner)
    return JSONResponse({"samples_format": "png", "sd_model_checkpoint": model.id, "sd_checkpoint_hash": ""})


@router.post("/sdapi/v1/options")
async def set_options(
    owner: WithBasicOwner, asked: Annotated[Options, Depends(json_body(Options))], parts: WithParts
) -> JSONResponse:
    if asked.sd_model_checkpoint is not None:
        model = find_model(parts.catalog, asked.sd_model_checkpoint, "/sd_model_checkpoint")
        await choose_model(parts, owner, model)
    return JSONResponse(None)


@router.get("/sdapi/v1/sd-models")
async def list_models(_: WithBasicOwner, parts: WithParts) -> JSONResponse:
    nameless = {"hash": None, "sha256": None, "config": None}
    return JSONResponse(
        [{"title": each, "model_name": each, "filename": each, **nameless} for each in parts.catalog.models]
    )


@router.get("/sdapi/v1/samplers")
async def list_samplers(owner: WithBasicOwner, parts: WithParts) -> JSONResponse:
    """Those of the model that is drawn with where a request names none."""
    model = await chosen_model(parts, owner)
    return JSONResponse(
        [{"name": each, "aliases": combined_names(model, each), "options": {}} for each in sampler_names(model)]
    )


@router.get("/sdapi/v1/schedulers")
async def list_schedulers(owner: WithBasicOwner, parts: WithParts) -> JSONResponse:
    nothing_more = {"aliases": None, "default_rho": -1.0, "need_inner_model": False}
    return JSONResponse(
        [
            {"name": each.lower().replace(" ", "_"), "label": each, **nothing_more}
            for each in schedule_types(await chosen_model(parts, owner))
        ]
    )


@router.get("/sdapi/v1/prompt-styles")
async def list_styles(_: WithBasicOwner, parts: WithParts) -> JSONResponse:
    return JSONResponse([style.model_dump() for style in parts.styles.styles.values()])


@router.post(PNG_INFO)
async def png_info(_: WithBasicOwner, request: Request, parts: WithParts) -> JSONResponse:
    """What a file says of itself; nothing where it says nothing."""
    async with parts.inspections.turn():
        content = _file((await _png_info_body(request)).image)
        try:
            found = await parts.inspections.inspect(content)
        except NoParametersFound:
            return JSONResponse({"info": "", "items": {}, "parameters": {}})
    seed = {} if found.seed is None else {"seed": found.seed}
    parameters = file_parameters(found.parameters | seed)
    return JSONResponse({"info": found.text or "", "items": {}, "parameters": parameters})


def _file(image: str) -> bytes:
    """From base64, as it is or as a data URL. Raises NotAnImage."""
    try:
        return base64.b64decode(image.strip().rpartition(",")[2])
    except ValueError:
        raise NotAnImage("`image` must be base64 of a PNG, JPEG or WebP.") from None


@router.post("/sdapi/v1/refresh-checkpoints")
@router.post("/sdapi/v1/refresh-loras")
@router.post("/sdapi/v1/refresh-vae")
async def refresh(_: WithBasicOwner) -> JSONResponse:
    """Models are read when the service starts."""
    return JSONResponse(None)


async def nothing(_: WithBasicOwner, request: Request) -> JSONResponse:
    return JSONResponse(NOTHING[request.url.path.rpartition("/")[2]])


for _name in NOTHING:
    router.add_api_route(f"/sdapi/v1/{_name}", nothing)
