"""The files under /static, each at exactly one address. Knows nothing of what is in them."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class StaticAssets(StaticFiles):
    """A slash too many, or a dot, is another address here, under which there is nothing."""

    def get_path(self, scope: Scope) -> str:
        path = super().get_path(scope)
        if scope["path"] != f"{scope['root_path']}/{path}":
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return path
