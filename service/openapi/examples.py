"""The examples of the API document: requests and answers, for each schema that stands in one.

Made of the real models, so that one without a new field cannot be built; a test finds a schema without any.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from contract.grid import Axis, CellCounts, Grid, GridCell, GridStatus, GridSummary
from contract.job import AppliedStyle, GeneratedImage, Job, JobStatus, Progress, Timings
from contract.model import GuidanceKind, ModelDefaults, ModelLimits
from contract.parameters import GenerationParameters, JobRequest
from contract.rung import Rung
from contract.schedulers import SCHEDULERS
from contract.webhook import Attempt, Delivery, Webhook, WebhookRequest
from service.grids.grid_request import GridRequest, SharedParameters
from service.inspection.inspection import Inspection
from service.routes.grid_list import GridList
from service.routes.health import Liveness, Readiness
from service.routes.job_list import JobList
from service.routes.models import OfferedModel, OfferedModels, OfferedScheduler, OfferedSchedulers
from service.routes.styles import OfferedStyles
from service.styles import Style
from service.webhooks.message import WebhookMessage
from service.webhooks.signing import WebhookSecret
from service.workers import WorkerReport

_JOB_ID = "0199c1a3b4d2f0e1d2c3b4a596877869"
_GRID_ID = "0199c1a3b4d2a1b2c3d4e5f60718293a"
_POSTED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
_URL = f"/images/{_JOB_ID}/0.png"

_QUEUED = Job(
    id=_JOB_ID,
    status=JobStatus.QUEUED,
    queue_position=1,
    eta_seconds=4.5,
    progress=None,
    parameters=GenerationParameters(
        prompt="a watercolor of a hippo",
        negative_prompt="",
        model="pocket",
        width=128,
        height=128,
        num_inference_steps=20,
        guidance_scale=4.0,
        num_images_per_prompt=1,
        seed=7,
        scheduler="DDIM",
        output_format="png",
    ),
    labels={"course": "pictures"},
    style=AppliedStyle(name="watercolor", prompt="a hippo", negative_prompt=None),
    grid_id=None,
    images=[],
    error=None,
    warnings=[],
    attempts=0,
    exclusive=False,
    batch_size=None,
    rung=None,
    created_at=_POSTED,
    started_at=None,
    completed_at=None,
    deadline_at=_POSTED + timedelta(days=1),
    expires_at=None,
    timings=Timings(),
    webhook=Webhook(url="https://hooks.example/darkroom", events=["job.succeeded"], deliveries=[]),
)
_RUNNING = _QUEUED.model_copy(
    update={
        "status": JobStatus.RUNNING,
        "queue_position": None,
        "eta_seconds": 2.5,
        "progress": Progress(step=8, total=20),
        "attempts": 1,
        "started_at": _POSTED + timedelta(seconds=1),
        "timings": Timings(queued_seconds=1.0),
    }
)
_SUCCEEDED = _RUNNING.model_copy(
    update={
        "status": JobStatus.SUCCEEDED,
        "eta_seconds": None,
        "progress": Progress(step=20, total=20),
        "images": [
            GeneratedImage(
                url=_URL,
                index=0,
                seed=7,
                width=128,
                height=128,
                content_type="image/png",
                size_bytes=18123,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                signed_url=f"{_URL}?expires=1795168800&signature=ZIyZ0qMyWHdOaX1eBfeGLQ",
            )
        ],
        "batch_size": 1,
        "rung": Rung.ON_DEVICE,
        "completed_at": _POSTED + timedelta(seconds=5),
        "expires_at": _POSTED + timedelta(days=1, seconds=5),
        "timings": Timings(queued_seconds=1.0, denoise_seconds=3.2, decode_seconds=0.5, store_seconds=0.1),
    }
)
_DELIVERED = Delivery(
    id=f"msg_{_JOB_ID}_succeeded",
    event="job.succeeded",
    state="delivered",
    created_at=_POSTED + timedelta(seconds=5),
    tries=1,
    attempts=[Attempt(at=_POSTED + timedelta(seconds=5), status_code=204, seconds=0.031)],
)
_TOLD = _SUCCEEDED.model_copy(
    update={"webhook": Webhook(url="https://hooks.example/darkroom", events=["job.succeeded"], deliveries=[_DELIVERED])}
)
_STEPS = Axis(parameter="num_inference_steps", values=[5, 20])
_GRID = Grid(
    id=_GRID_ID,
    status=GridStatus.RUNNING,
    counts=CellCounts(running=1, succeeded=1),
    progress=0.52,
    eta_seconds=2.5,
    created_at=_POSTED,
    x=_STEPS,
    y=None,
    sheet_url=f"/grids/{_GRID_ID}/sheet.png",
    sheet_signed_url=f"/grids/{_GRID_ID}/sheet.png?expires=1795168800&signature=ZIyZ0qMyWHdOaX1eBfeGLQ",
    cells=[
        GridCell(
            x=5,
            y=None,
            job_id=_JOB_ID,
            status="succeeded",
            error=None,
            image=_SUCCEEDED.images[0],
            timings=_SUCCEEDED.timings,
        ),
        GridCell(
            x=20,
            y=None,
            job_id="0199c1a3b4d2f0e1d2c3b4a59687786a",
            status="running",
            error=None,
            image=None,
            timings=Timings(queued_seconds=1.0),
        ),
    ],
)
_MODEL = OfferedModel(
    state="warm",
    rung=Rung.ON_DEVICE,
    size_bytes=5_000_000,
    mean_seconds_per_image=0.8,
    can_run=True,
    id="pocket",
    default=True,
    licence="Apache-2.0",
    guidance=GuidanceKind.CLASSIFIER_FREE,
    prompt_weighting=True,
    defaults=ModelDefaults(width=128, height=128, num_inference_steps=20, guidance_scale=4.0, scheduler="DDIM"),
    limits=ModelLimits(width=256, height=256, pixels=65536, num_inference_steps=100, num_images_per_prompt=8),
    schedulers=("DDIM", "Euler a"),
)
_WORKER = WorkerReport(name="desk", pid=4711, state="ready", model="pocket", device="cpu", reason=None)


def _examples(**documents: BaseModel) -> dict[str, Any]:
    return {name: {"value": each.model_dump(mode="json", exclude_unset=True)} for name, each in documents.items()}


SCHEMAS: dict[str, dict[str, Any]] = {
    "JobRequest": _examples(
        prompt_alone=JobRequest(prompt="a watercolor of a hippo"),
        much_of_it=JobRequest(
            prompt="a watercolor of a hippo",
            width=128,
            height=128,
            num_inference_steps=20,
            guidance_scale=4.0,
            num_images_per_prompt=2,
            seed=7,
            scheduler="Euler a",
            output_format="webp",
            labels={"course": "pictures"},
            deadline_seconds=600,
            webhook=WebhookRequest(url="https://hooks.example/darkroom", events=["job.succeeded"]),
        ),
    ),
    "GridRequest": _examples(
        steps_and_guidance=GridRequest(
            parameters=SharedParameters(prompt="a watercolor of a hippo", seed=7),
            x=_STEPS,
            y=Axis(parameter="guidance_scale", values=[1, 4, 7.5]),
        ),
        prompts=GridRequest(
            parameters=SharedParameters(style="watercolor"), x=Axis(parameter="prompt", values=["a hippo", "a fox"])
        ),
    ),
    "Grid": _examples(running=_GRID),
    "GridList": _examples(
        last_page=GridList(grids=[GridSummary.model_validate(_GRID.model_dump(exclude={"cells"}))], next_cursor=None)
    ),
    "Job": _examples(queued=_QUEUED, running=_RUNNING, succeeded=_SUCCEEDED, told=_TOLD),
    "JobList": _examples(last_page=JobList(jobs=[_SUCCEEDED], next_cursor=None)),
    "WebhookMessage": _examples(succeeded=WebhookMessage(type="job.succeeded", timestamp=_POSTED, data=_SUCCEEDED)),
    "WebhookSecret": _examples(
        rotated=WebhookSecret(
            secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # noqa: S106  # an example
            former_signs_until=_POSTED + timedelta(days=1),
        )
    ),
    "Inspection": _examples(
        of_darkroom=Inspection(
            parameters=_QUEUED.parameters.model_dump(),
            index=0,
            seed=7,
            software="Darkroom",
            model="pocket",
            text="a watercolor of a hippo\nNegative prompt: \nSteps: 20, Sampler: DDIM, …",
            marked_as_ai=True,
            width=128,
            height=128,
            content_type="image/png",
            unmapped=[],
        )
    ),
    "OfferedStyles": _examples(
        one=OfferedStyles(styles=[Style(name="watercolor", prompt="a watercolor of {prompt}", negative_prompt="photo")])
    ),
    "OfferedModels": _examples(one=OfferedModels(models=[_MODEL])),
    "OfferedSchedulers": _examples(
        one=OfferedSchedulers(schedulers=[OfferedScheduler(**SCHEDULERS[0].model_dump(), models=["pocket"])])
    ),
    "Liveness": _examples(alive=Liveness(status="alive")),
    "Readiness": _examples(
        ready=Readiness(status="ready", redis="ok", store="ok", workers=[_WORKER]),
        unavailable=Readiness(status="unavailable", redis="does not answer (ConnectionError)", store="ok", workers=[]),
    ),
}
"""The name of a schema -> its examples, as a media type holds them."""

PARAMETERS: dict[str, Any] = {
    "job_id": _JOB_ID,
    "grid_id": _GRID_ID,
    "index": "0",
    "extension": "png",
    "model": "pocket",
}
"""The name of a parameter of a path or a query -> its example."""
