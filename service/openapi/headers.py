"""The headers of answers, as the API document describes them. A route names those that its answers have."""

from typing import Any


def _header(description: str, example: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {
        "description": description,
        "required": required,
        "schema": {"type": "string"} | schema,
        "example": int(example) if schema.get("type") == "integer" else example,
    }


HEADERS: dict[str, dict[str, Any]] = {
    "Accept-Ranges": _header("`Range` is taken.", "bytes", enum=["bytes"]),
    "Allow": _header("The methods of the path.", "GET, HEAD, OPTIONS"),
    "Cache-Control": _header("Whether and how long the answer may be kept.", "no-store"),
    "Content-Range": _header("Which part of how many bytes.", "bytes 0-1023/18123"),
    "ETag": _header("Names these bytes: strong.", '"9f86d081884c7d65"', pattern='^"[^"]*"$'),
    "Idempotent-Replayed": _header(
        "Only where an earlier request with this Idempotency-Key made the job.", "true", required=False, enum=["true"]
    ),
    "Link": _header(
        'The next page, with `rel="next"`; not on the last.', '</jobs?cursor=MTI>; rel="next"', required=False
    ),
    "Location": _header(
        "The job, or the grid.", "/jobs/0199c1a3b4d2f0e1d2c3b4a596877869", pattern="^/(jobs|grids)/[0-9a-f]{32}$"
    ),
    "Preference-Applied": _header("The wait that was granted.", "wait=30"),
    "RateLimit": _header(
        "What is left of the submits in a minute; only where they are bounded.", '"submit";r=59;t=1', required=False
    ),
    "RateLimit-Policy": _header(
        "How many submits in how many seconds; only where they are bounded.", '"submit";q=60;w=60', required=False
    ),
    "Retry-After": _header("Seconds until it is worth asking again.", "2", type="integer", minimum=1),
    "Vary": _header("The answer depends on `Accept`.", "Accept"),
    "X-Request-ID": _header(
        "Names the request in the log: its own, or a new one. Not where it was no HTTP.", "7f3c1e5a9b", required=False
    ),
    "WWW-Authenticate": _header("How to show a key (RFC 6750).", 'Bearer realm="darkroom"'),
}
"""Name -> the header object. `required` is whether every answer that names it has it."""


EVERY_ANSWER = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}


def answer_headers(*names: str) -> dict[str, Any]:
    """The `headers` of a response that can have these."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
