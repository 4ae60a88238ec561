"""GET /metrics: what Prometheus scrapes."""

from fastapi import Request, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from service.dependencies import WithParts
from service.errors import NotFound
from service.headers.content_negotiation import qualities_of
from service.openapi.headers import answer_headers
from service.routes.problems import problem_responses
from service.routes.router import api_router

router = api_router("health")

_EXAMPLE = """\
# HELP darkroom_queue_depth Jobs in line.
# TYPE darkroom_queue_depth gauge
darkroom_queue_depth 3.0
"""


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="What happens here, for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "In Prometheus's text format, or as OpenMetrics where `Accept` asks for it.",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE},
                "application/openmetrics-text": {"schema": {"type": "string"}, "example": f"{_EXAMPLE}# EOF\n"},
            },
            "headers": answer_headers("Cache-Control", "Vary"),
        },
        **problem_responses(404),
    },
)
async def metrics(request: Request, parts: WithParts) -> Response:
    """Needs no key. Answers without Redis too, with what it has."""
    if parts.scrape is None:
        raise NotFound("There is nothing here.")
    registry = await parts.scrape.now()
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    # Not as prometheus-client would choose: it cannot read every header, and takes the version from it as it comes.
    if _likes_openmetrics(", ".join(request.headers.getlist("accept"))):
        content = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return Response(content, headers=headers | {"Content-Type": openmetrics.CONTENT_TYPE_LATEST})
    return Response(generate_latest(registry), headers=headers | {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _likes_openmetrics(accept: str) -> bool:
    qualities = qualities_of(accept)
    return 0 < qualities.get("application/openmetrics-text", 0) >= qualities.get("text/plain", 0)
