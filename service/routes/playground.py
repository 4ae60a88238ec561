"""GET /: the playground, a page of this service over its own API. Its files are in service/playground."""

from pathlib import Path

from starlette.responses import HTMLResponse

from service.routes.router import api_router

PLAYGROUND = Path(__file__).parents[1] / "playground"

# Nothing but what this service sends: no script within the page, no frame around it, nothing from anybody else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _page() -> str:
    """With a hint for every module, so that a browser far away need not find them one after the other."""
    modules = sorted(path.relative_to(PLAYGROUND).as_posix() for path in PLAYGROUND.rglob("*.js"))
    hints = "".join(f'<link rel="modulepreload" href="playground/{name}" />' for name in modules)
    return (PLAYGROUND / "index.html").read_text().replace("<!-- PRELOADS -->", hints)


_PAGE = _page()

router = api_router()


@router.get("/")
async def playground() -> HTMLResponse:
    return HTMLResponse(_PAGE, headers=_HEADERS)
