"""What a webhook says, of a job or of the prediction that a client asked for. Knows nothing of how it is sent."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from contract.job import Job, Sign
from contract.webhook import Delivery, Webhook, WebhookEvent
from service.dialects.replicate.prediction import prediction_of


class WebhookMessage(BaseModel):
    """Something that happened to a job, and the job as it is when this is sent."""

    type: WebhookEvent
    timestamp: Annotated[datetime, Field(description="when it happened")]
    data: Annotated[Job, Field(description="without what was told of it: `webhook.deliveries` is empty")]


def message_text(job: Job, webhook: Webhook, delivery: Delivery, sign: Sign) -> str:
    """The body, as JSON."""
    if webhook.prediction_base_url is not None:
        return prediction_of(job, webhook.prediction_base_url, sign).model_dump_json()
    told = job.model_copy(update={"webhook": webhook.model_copy(update={"deliveries": []})})
    return WebhookMessage(type=delivery.event, timestamp=delivery.created_at, data=told).model_dump_json()
