"""A job's webhook: what a client asks for, and what became of it.

Knows which events there are and the characters that a URL may have; which receivers may be called is the service's to
say. Knows neither HTTP nor Redis.
"""

import json
import re
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

WebhookEvent = Literal["job.running", "job.succeeded", "job.failed", "job.canceled"]
WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)

DeliveryState = Literal["pending", "delivered", "failed", "stopped"]

MAX_URL_LENGTH = 2048
MAX_ATTEMPTS_KEPT = 20
"""Of each delivery, the latest."""

_ENDS: list[WebhookEvent] = ["job.succeeded", "job.failed", "job.canceled"]
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")


def _url_characters(url: str) -> str:
    """Those of RFC 3986: whatever else a URL can be written with, two readers may take for two different hosts."""
    if not _URL.fullmatch(url):
        raise ValueError("must hold the characters of a URL alone: an international name as xn--, the rest in %XX")
    return url


def _each_once(events: list[WebhookEvent]) -> list[WebhookEvent]:
    if len(set(events)) < len(events):
        raise ValueError("must name no event twice")
    return sorted(events, key=WEBHOOK_EVENTS.index)


class WebhookRequest(BaseModel):
    """Where to tell of a job, and what of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: Annotated[
        str,
        Field(max_length=MAX_URL_LENGTH, description="https, or http to a receiver that the service's settings allow"),
        AfterValidator(_url_characters),
    ]
    events: Annotated[list[WebhookEvent], Field(min_length=1), AfterValidator(_each_once)] = _ENDS


class PredictionWebhook(WebhookRequest):
    """One that is told of predictions, as Replicate has them, and not of jobs."""

    prediction_base_url: Annotated[str, Field(description="of the service, as the client calls it")]


class Attempt(BaseModel):
    """One try to deliver. The status is null where there was no answer, the error where the status says it all."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    status_code: int | None = None
    error: str | None = None
    seconds: float


class Delivery(BaseModel):
    """One event on its way to the receiver."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, Field(description="the same for every try: `webhook-id`")]
    event: WebhookEvent
    state: DeliveryState
    created_at: Annotated[datetime, Field(description="when it happened")]
    tries: Annotated[int, Field(description="since then, or since it was last sent again")] = 0
    attempts: Annotated[list[Attempt], Field(description=f"the latest {MAX_ATTEMPTS_KEPT}")] = []
    next_attempt_at: datetime | None = None


class Webhook(BaseModel):
    """A job's webhook, with what was told so far."""

    model_config = ConfigDict(frozen=True)

    url: str
    events: list[WebhookEvent]
    deliveries: list[Delivery]
    prediction_base_url: Annotated[SkipJsonSchema[str | None], Field(exclude=True)] = None
    """As PredictionWebhook's; None where jobs are told of. It concerns nobody but whoever sends."""


def webhook_from_record(request: str | None, deliveries: list[str | None]) -> Webhook | None:
    """From the job's hash: the request and, for each of WEBHOOK_EVENTS, the delivery if there is one; all as JSON."""
    if request is None:
        return None
    told = [Delivery.model_validate_json(each) for each in deliveries if each is not None]
    return Webhook(**json.loads(request), deliveries=sorted(told, key=lambda delivery: delivery.created_at))
