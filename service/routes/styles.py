"""GET /styles: the styles that a request may name."""

from pydantic import BaseModel

from service.dependencies import WithOwner, WithParts
from service.routes.router import api_router
from service.styles import Style

router = api_router("models")


class OfferedStyles(BaseModel):
    styles: list[Style]


@router.get("/styles", operation_id="list_styles", summary="The styles on offer")
async def list_styles(_: WithOwner, parts: WithParts) -> OfferedStyles:
    """With the words that each puts around a prompt, in place of `{prompt}`, and its negative prompt."""
    return OfferedStyles(styles=list(parts.styles.styles.values()))
