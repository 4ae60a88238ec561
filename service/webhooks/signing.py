"""The secrets of owners, and signatures made with them.

A secret is derived from the service's own and from when it was made, so that none lies in Redis. Knows Redis and
Standard Webhooks; knows nothing of jobs.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import redis.asyncio
import structlog
from pydantic import BaseModel
from standardwebhooks import Webhook

from contract import keys
from service.access.owners import Owner
from service.access.secret_file import derived_key

log = structlog.get_logger("darkroom.service")

FORMER_SECONDS = 24 * 3600
"""So long after a rotation the former secret signs as well."""
_FIRST = "first"
"""What the secret of an owner is made with who never had it rotated."""


class WebhookSecret(BaseModel):
    """An owner's; while `former_signs_until` is not over, there is a second signature, with the one before."""

    secret: str
    former_signs_until: datetime | None


class WebhookSecrets:
    """Of every owner. Methods with an owner raise RedisError."""

    def __init__(self, client: redis.asyncio.Redis, key: bytes) -> None:
        self._client = client
        self._key = key

    async def current(self, owner: Owner) -> WebhookSecret:
        """What its next delivery is signed with."""
        async with self._client.pipeline(transaction=True) as transaction:
            transaction.lrange(keys.WEBHOOK_SECRETS_PREFIX + owner.name, 0, -1)
            transaction.time()
            rotations, (seconds, _) = await transaction.execute()
        return self._shown(owner, rotations, seconds)

    async def rotate(self, owner: Owner) -> WebhookSecret:
        """A new one, from now on."""
        seconds, microseconds = await self._client.time()
        name = keys.WEBHOOK_SECRETS_PREFIX + owner.name
        async with self._client.pipeline(transaction=True) as transaction:
            transaction.lpush(name, f"{seconds}.{microseconds:06}")
            transaction.ltrim(name, 0, keys.WEBHOOK_SECRETS_KEPT - 1)
            transaction.lrange(name, 0, -1)
            *_, rotations = await transaction.execute()
        log.info("webhook_secret_rotated", owner=owner.name)
        return self._shown(owner, rotations, seconds)

    def in_force(self, owner_name: str, rotations: Sequence[str], now: float) -> list[str]:
        """The current secret, then the former ones that still sign; rotations are their times, the latest first."""
        made = [*rotations, _FIRST][: keys.WEBHOOK_SECRETS_KEPT]
        former = [before for at, before in pairwise(made) if now < float(at) + FORMER_SECONDS]
        return [self._secret(owner_name, each) for each in (made[0], *former)]

    def _shown(self, owner: Owner, rotations: Sequence[str], now: float) -> WebhookSecret:
        secret, *former = self.in_force(owner.name, rotations, now)
        until = datetime.fromtimestamp(float(rotations[0]), UTC) + timedelta(seconds=FORMER_SECONDS) if former else None
        return WebhookSecret(secret=secret, former_signs_until=until)

    def _secret(self, owner_name: str, made: str) -> str:
        return "whsec_" + base64.b64encode(derived_key(self._key, f"{made} {owner_name}")).decode()


def signed_headers(message_id: str, now: datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """Those that a receiver verifies; `now` is in UTC, and the signatures are in the order of the secrets."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in secrets),
    }
