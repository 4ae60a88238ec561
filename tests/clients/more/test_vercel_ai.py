"""Vercel's AI SDK with its provider for OpenAI's API elsewhere, against the running service with the bundled model."""

from pathlib import Path

from tests.clients.conftest import Asked
from tests.conftest import wait_until


def test_vercel_ai(asked: Asked, tmp_path: Path) -> None:
    told = asked.node("vercel_ai", tmp_path)
    name, status, retryable, message = told["errors"].pop("size")
    assert (name, status, retryable) == ("AI_APICallError", 400, False)
    assert message.startswith("size: width must be at most 256 for model 'pocket'")
    assert told == {
        "kinds": ["image/png"] * 2,
        "same": True,
        "warnings": [],
        "alias": "image/png",
        "errors": {"left": "TimeoutError"},
    }
    wait_until(lambda: asked.jobs()[0]["status"] == "canceled")
