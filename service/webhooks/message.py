"""What a webhook says. Knows jobs and their events; knows nothing of how it is sent."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from contract.job import Job
from contract.webhook import WebhookEvent


class WebhookMessage(BaseModel):
    """Something that happened to a job, and the job as it is when this is sent."""

    type: WebhookEvent
    timestamp: Annotated[datetime, Field(description="when it happened")]
    data: Annotated[Job, Field(description="without what was told of it: `webhook.deliveries` is empty")]
