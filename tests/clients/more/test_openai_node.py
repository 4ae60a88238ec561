"""openai-node, against the running service with the bundled model."""

from pathlib import Path

from tests.clients.conftest import Asked
from tests.conftest import wait_until


def test_openai_node(asked: Asked, tmp_path: Path) -> None:
    assert asked.node("openai_node", tmp_path) == {
        "models": ["pocket"],
        "named": True,
        "pictures": [["webp", 7], ["webp", 8]],
        "size": "64x128",
        "alias": "152x104",
        "last": "image_generation.completed",
        "partials": True,
        "errors": {
            "left": "APIUserAbortError",
            "size": ["BadRequestError", 400, "validation_failed", "size", True],
            "model": ["NotFoundError", 404, "model_not_found", "model", True],
            "key": ["AuthenticationError", 401, "invalid_api_key", None, True],
        },
    }
    wait_until(lambda: [job["status"] for job in asked.jobs() if len(job["images"]) == 0][:1] == ["canceled"])
