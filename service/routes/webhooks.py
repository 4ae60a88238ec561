"""GET /webhooks/secret; POST /webhooks/secret/rotate; POST /jobs/{id}/webhook/redeliver."""

from typing import Any

from fastapi import Response

from contract.job import Job
from service.dependencies import WithOwner, WithParts
from service.openapi.headers import answer_headers
from service.openapi.links import JOB_LINKS
from service.routes.answers import answer
from service.routes.problems import problem_responses
from service.routes.router import api_router
from service.webhooks.signing import WebhookSecret

_SECRET: dict[str, Any] = {
    "model": WebhookSecret,
    "description": "The secret.",
    "headers": answer_headers("Cache-Control"),
}

router = api_router("webhooks")


@router.get(
    "/webhooks/secret",
    operation_id="get_webhook_secret",
    summary="What your webhooks are signed with",
    response_class=Response,
    responses={200: _SECRET, **problem_responses(503)},
)
async def get_webhook_secret(owner: WithOwner, parts: WithParts) -> Response:
    """One for each owner. A receiver verifies with it that a delivery comes from here."""
    return answer(await parts.webhook_secrets.current(owner))


@router.post(
    "/webhooks/secret/rotate",
    operation_id="rotate_webhook_secret",
    summary="A new secret for your webhooks",
    response_class=Response,
    responses={200: _SECRET, **problem_responses(503)},
)
async def rotate_webhook_secret(owner: WithOwner, parts: WithParts) -> Response:
    """For a day the former one signs as well, so that receivers can be given the new one one by one."""
    return answer(await parts.webhook_secrets.rotate(owner))


@router.post(
    "/jobs/{job_id}/webhook/redeliver",
    status_code=202,
    operation_id="redeliver_webhook",
    summary="Tell a job's webhook again",
    response_class=Response,
    responses={
        202: {
            "model": Job,
            "description": "The job; its deliveries are pending again.",
            "headers": answer_headers("Cache-Control"),
            "links": JOB_LINKS,
        },
        **problem_responses(404, 409, 410, 503),
    },
)
async def redeliver_webhook(job_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """Everything that it was told or to be told so far, with the same ids, whatever came of it."""
    return answer(await parts.queue.redeliver(job_id, owner), 202)
