"""GET /docs: Swagger UI, from files of this service alone; GET /openapi.json: the document that it shows."""

from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse

from service.routes.router import api_router

_DOCUMENT = "/openapi.json"

router = api_router()


@router.get(_DOCUMENT)
async def document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def docs() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url=_DOCUMENT,
        title="Darkroom",
        swagger_js_url="/static/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger-ui.css",
        swagger_favicon_url="/static/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},
    )
