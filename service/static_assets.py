"""Files of the service, each at exactly one address. Knows nothing of what is in them."""

import os
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class StaticAssets(StaticFiles):
    """A slash too many, or a dot, is another address here, under which there is nothing."""

    def get_path(self, scope: Scope) -> str:
        path = super().get_path(scope)
        if scope["path"] != f"{scope['root_path']}/{path}":
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return path

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Asked about before it is used again: modules of two versions would not fit each other."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer
