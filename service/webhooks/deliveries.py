"""Sends what jobs' webhooks are to tell: takes it from Redis when it is due, tries, puts down what came of it.

Any number of service processes may do this at once; each delivery is leased to one of them for a try, so that one that
dies loses nothing. A delivery may come twice where a process dies, or Redis goes away, between a try and its record.
Knows Redis and jobs; knows nothing of HTTP.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, cast

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from contract import scripts
from contract.job import Sign, job_from_record
from contract.webhook import MAX_ATTEMPTS_KEPT, Attempt, Delivery, DeliveryState, Webhook
from service.metrics.process_metrics import ProcessMetrics
from service.webhooks.message import message_text
from service.webhooks.retries import Answer, Outcome, outcome_of, seconds_until_next
from service.webhooks.sending import Sender
from service.webhooks.signing import WebhookSecrets, signed_headers

log = structlog.get_logger("darkroom.service")

_LOOK_SECONDS = 0.25
_STOP_SECONDS = 2.0
"""For the tries under way when the process is told to stop."""
_MOST_TRIES = 64
_MOST_TRIES_OF_ONE_RECEIVER = 4
_STATES: dict[Outcome, DeliveryState] = {
    "delivered": "delivered",
    "retried": "pending",
    "failed": "failed",
    "stopped": "stopped",
}


class _Leased(NamedTuple):
    """A delivery that this process may try, as scripts/take_deliveries.lua gives it."""

    receiver: str
    job_id: str
    event: str
    lease: str
    owner: str
    rotations: list[str]
    record: list[str | int | None]


class Deliveries:
    """The loop of one process. `retry_scale` times every delay between tries."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        secrets: WebhookSecrets,
        sender: Sender,
        sign: Sign,
        retry_scale: float,
        metrics: ProcessMetrics,
    ) -> None:
        self._metrics = metrics
        self._secrets = secrets
        self._sender = sender
        self._sign = sign
        self._retry_scale = retry_scale
        self._take = client.register_script(scripts.TAKE_DELIVERIES)
        self._settle = client.register_script(scripts.SETTLE_DELIVERY)
        self._tries: set[asyncio.Task[None]] = set()
        self._under_way: Counter[str] = Counter()
        self._one_ended = asyncio.Event()

    async def run(self) -> None:
        """Runs until it is canceled, across outages of Redis."""
        try:
            while True:
                self._one_ended.clear()
                try:
                    await self._begin_due()
                except RedisError as error:
                    log.warning("webhooks_interrupted", error=error)
                # Where a try has ended there is room for the next one at once.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._one_ended.wait(), _LOOK_SECONDS)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self._tries:  # what a receiver has answered is not to be sent to it again
            log.info("webhooks_stopping", tries=len(self._tries))
            await asyncio.wait(self._tries, timeout=_STOP_SECONDS)
        for each in self._tries:
            each.cancel()
        await asyncio.gather(*self._tries, return_exceptions=True)
        await self._sender.close()

    async def _begin_due(self) -> None:
        free = _MOST_TRIES - len(self._tries)
        if not free:
            return
        under_way = [part for receiver, count in self._under_way.items() for part in (receiver, count)]
        now, taken = await self._take(args=[free, _MOST_TRIES_OF_ONE_RECEIVER, *under_way])
        for each in taken:
            delivery = _Leased(*each)
            task = asyncio.create_task(self._try(delivery, float(now)))
            self._tries.add(task)
            self._under_way[delivery.receiver] += 1
            task.add_done_callback(partial(self._end, delivery))

    def _end(self, leased: _Leased, task: asyncio.Task[None]) -> None:
        self._tries.discard(task)
        self._under_way -= Counter([leased.receiver])
        self._one_ended.set()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Its lease ends by itself, and it is tried again. What the error says could be a piece of the job.
            log.error(
                "webhook_try_broke",
                job_id=leased.job_id,
                owner=leased.owner,
                host=_host(leased.receiver),
                error=type(error).__name__,
            )

    async def _try(self, leased: _Leased, now: float) -> None:
        job = job_from_record(leased.job_id, leased.record, self._sign)
        webhook = cast(Webhook, job.webhook)  # the script takes nothing of a job without one
        delivery = next(each for each in webhook.deliveries if each.event == leased.event)
        body = message_text(job, webhook, delivery, self._sign)
        secrets = self._secrets.in_force(leased.owner, leased.rotations, now)
        at, began = datetime.now(UTC), time.monotonic()
        answer = await self._sender.send(webhook.url, signed_headers(delivery.id, at, body, secrets), body.encode())
        seconds = round(time.monotonic() - began, 3)
        attempt = Attempt(at=at, status_code=answer.status_code, error=answer.error, seconds=seconds)
        await self._put_down(leased, _after(delivery, attempt), answer)

    async def _put_down(self, leased: _Leased, delivery: Delivery, answer: Answer) -> None:
        """What came of a try; the delivery has it in its attempts already."""
        outcome = outcome_of(answer, delivery.tries)
        delay = seconds_until_next(answer, delivery.tries, self._retry_scale) if outcome == "retried" else ""
        text = delivery.model_copy(update={"state": _STATES[outcome]}).model_dump_json(exclude_defaults=True)
        try:
            kept = await self._settle(args=[leased.job_id, leased.event, leased.lease, text, delay])
        except RedisError as error:
            log.warning("webhooks_interrupted", job_id=leased.job_id, owner=leased.owner, error=error)
            return
        if kept:
            self._metrics.webhook_attempted(outcome)
            _tell(outcome, leased, delivery)


def _host(receiver: str) -> str:
    return receiver.rpartition(" ")[2]


def _after(delivery: Delivery, attempt: Attempt) -> Delivery:
    attempts = [*delivery.attempts, attempt][-MAX_ATTEMPTS_KEPT:]
    return delivery.model_copy(update={"attempts": attempts, "tries": delivery.tries + 1})


def _tell(outcome: Outcome, leased: _Leased, delivery: Delivery) -> None:
    """The one place where it is known what came of a try. Of the URL no more than the host is told."""
    attempt = delivery.attempts[-1]
    log.info(
        "webhook_try",
        outcome=outcome,
        job_id=leased.job_id,
        owner=leased.owner,
        webhook_event=leased.event,
        host=_host(leased.receiver),
        tries=delivery.tries,
        status_code=attempt.status_code,
        error=attempt.error,
    )
