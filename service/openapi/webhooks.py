"""The webhooks of the API document: what the service sends, and to what answer. It sends nothing itself.

Standard Webhooks (https://www.standardwebhooks.com): the headers sign the body.
"""

from typing import Annotated

from fastapi import APIRouter, Header

from contract.webhook import WebhookEvent
from service.webhooks.message import WebhookMessage

MessageId = Annotated[str, Header(description="the same for every attempt to deliver it", alias="webhook-id")]
SentAt = Annotated[int, Header(description="of this attempt, in seconds since 1970", alias="webhook-timestamp")]
Signature = Annotated[
    str, Header(description="`v1,` and the HMAC-SHA256 of id, timestamp and body", alias="webhook-signature")
]

router = APIRouter()

_SUMMARIES: dict[WebhookEvent, str] = {
    "job.running": "A worker has begun with a job",
    "job.succeeded": "A job has its pictures",
    "job.failed": "A job has failed",
    "job.canceled": "A job was canceled",
}


async def _received(
    message: WebhookMessage, webhook_id: MessageId, webhook_timestamp: SentAt, webhook_signature: Signature
) -> None:
    """Any 2xx ends the delivery; anything else, or none in time, has it tried again later."""


for _type, _summary in _SUMMARIES.items():
    router.post(
        _type,
        operation_id=_type.replace(".", "_"),
        summary=_summary,
        status_code=204,
        response_description="Received.",
        tags=["webhooks"],
    )(_received)
