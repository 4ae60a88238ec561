"""The model that a caller set by POST /sdapi/v1/options: kept for the owner of the key, in Redis.

The web UI has one for everybody who asks it. Knows Redis; knows nothing of requests.
"""

from contract import keys
from contract.model import Model
from service.access.owners import Owner
from service.dependencies import Parts

_KEPT_SECONDS = 90 * 24 * 3600
"""Since it was last asked for."""


async def chosen_model(parts: Parts, owner: Owner) -> Model:
    """The default where none was chosen, or the one that was is no longer on offer. Raises RedisError."""
    model_id = await parts.client.getex(keys.CHOSEN_MODEL_PREFIX + owner.name, ex=_KEPT_SECONDS)
    return parts.catalog.models.get(str(model_id), parts.catalog.default)


async def choose_model(parts: Parts, owner: Owner, model: Model) -> None:
    """Raises RedisError."""
    await parts.client.set(keys.CHOSEN_MODEL_PREFIX + owner.name, model.id, ex=_KEPT_SECONDS)
