"""Documents of the service, from its OpenAPI document: what the client has to be able to read."""

import json
from pathlib import Path
from typing import Any

import httpx

from darkroom.client.records import Job

OPENAPI: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
SCHEMAS: dict[str, Any] = OPENAPI["components"]["schemas"]


def job_document(**changes: Any) -> dict[str, Any]:
    """A job in line, but for the changes."""
    answer = OPENAPI["paths"]["/jobs/{job_id}"]["get"]["responses"]["200"]
    example: dict[str, Any] = answer["content"]["application/json"]["examples"]["queued"]["value"]
    return example | changes


def a_job(**changes: Any) -> Job:
    return Job.model_validate(job_document(**changes))


def problem(status: int, code: str, **fields: Any) -> httpx.Response:
    """As the service answers it."""
    document = {"type": "about:blank", "title": "X", "status": status, "code": code, "detail": "why"} | fields
    return httpx.Response(status, json=document)
