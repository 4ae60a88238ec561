"""LiteLLM, against the running service with the bundled model."""

from pathlib import Path

from tests.clients.conftest import Asked


def test_litellm(asked: Asked, tmp_path: Path) -> None:
    variables = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # its list of prices is not fetched
    assert asked.python("litellm", "litellm_images", tmp_path, **variables) == {
        "kinds": ["png", "png"],
        "size": "64x128",
        "alias": ["128x128", "png"],
        "by_url": [None, True],
        "errors": {
            "size": ["BadRequestError", 400],
            "model": ["NotFoundError", 404],
            "key": ["AuthenticationError", 401],
        },
    }
    job = next(job for job in asked.jobs() if job["parameters"]["num_images_per_prompt"] == 2)
    assert job["parameters"]["seed"] == 7
