"""Where an answer leads: what a client, or a test, can do next with what it has just got."""

from typing import Any

_ID = "$response.body#/id"


def _to(operation_id: str, description: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation_id, "description": description, "parameters": parameters}


_IMAGE = {"job_id": _ID, "index": "0"}

JOB_LINKS: dict[str, Any] = {
    "job": _to("get_job", "How it stands.", job_id=_ID),
    "events": _to("get_job_events", "What happens to it.", job_id=_ID),
    "cancel": _to("cancel_job", "End it.", job_id=_ID),
    "delete": _to("delete_job", "Forget it, once it has ended.", job_id=_ID),
    "redeliver": _to("redeliver_webhook", "Tell again what its webhook was told.", job_id=_ID),
    "image": _to("get_image", "Its first picture, once there is one.", **_IMAGE, extension="png"),
    "negotiated_image": _to("get_negotiated_image", "Its first picture, once there is one.", **_IMAGE),
}
"""Of every answer whose body is a job."""

GRID_LINKS: dict[str, Any] = {
    "grid": _to("get_grid", "How it stands.", grid_id=_ID),
    "cancel": _to("cancel_grid", "End all of its jobs.", grid_id=_ID),
    "delete": _to("delete_grid", "Forget it, once all of its jobs have ended.", grid_id=_ID),
    "sheet": _to("get_sheet", "All of its pictures on one.", grid_id=_ID, extension="png"),
}
"""Of every answer whose body is a grid."""

GRID_LIST_LINKS: dict[str, Any] = {
    "next": _to("list_grids", "The next page.", cursor="$response.body#/next_cursor"),
}

JOB_LIST_LINKS: dict[str, Any] = {
    "next": _to("list_jobs", "The next page.", cursor="$response.body#/next_cursor"),
}
