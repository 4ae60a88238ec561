"""openai-python, against the running service with the bundled model."""

from pathlib import Path

from service.access.key_file import KeyLimits
from service.keys import add
from tests.clients.conftest import Asked


def test_openai_python(asked: Asked, tmp_path: Path) -> None:
    limited_key = add(asked.serve.data_dir.parent / "keys.json", "openai-python", KeyLimits(requests_per_minute=1))
    before = {job["id"] for job in asked.jobs()}
    told = asked.python("quick", "openai_python", tmp_path, limited_key)
    streamed, errors = told.pop("streamed"), told.pop("errors")
    assert told == {
        "models": ["pocket"],
        "model": "model",
        "pictures": [["PNG", [64, 128]]] * 2,
        "seeds": [7, 8],
        "same": True,
        "about": ["64x128", "high", "opaque", "png", 0],
        "request_id": True,
        "by_url": [None, 200, "image/jpeg"],
        "read_in_pieces": ["PNG", [128, 128]],
        "at_once": [["jpeg", "JPEG", [128, 128]], ["webp", "WEBP", [128, 128]]],
        "alias": "128x128",
    }
    # How many previews there are depends on how fast the machine is.
    partials = streamed.pop("partials")
    assert partials in (0, 1, 2)
    pictures = [["PNG", [256, 256]]] * (partials + 1)
    assert streamed == {"last": "ImageGenCompletedEvent", "completed": 1, "pictures": pictures, "tokens": 0}
    assert {
        name: (error["class"], error["status"], error["code"], error["param"]) for name, error in errors.items()
    } == {
        "size": ("BadRequestError", 400, "validation_failed", "size"),
        "n": ("BadRequestError", 400, "validation_failed", "n"),
        "seed": ("BadRequestError", 400, "validation_failed", "seed"),
        "model": ("NotFoundError", 404, "model_not_found", "model"),
        "key": ("AuthenticationError", 401, "invalid_api_key", None),
        "rate": ("RateLimitError", 429, "rate_exceeded", None),
        "edits": ("NotFoundError", 404, "unknown_url", None),
        "in_stream": ("APIError", None, "job_canceled", None),
        "canceled": ("BadRequestError", 400, "job_canceled", None),
    }
    # Each of the two that were canceled was one job: no try was made again.
    assert [job["status"] for job in asked.jobs() if job["id"] not in before].count("canceled") == 2
