"""pydantic-ai, against a running service with the bundled model, a policy for prompts and no keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Asked
from tests.integration.conftest import start_serve, stop_serve


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Asked]:
    policy = tmp_path / "policy.txt"
    policy.write_text("gun\n")
    serve = start_serve(tmp_path / "data", DARKROOM_PROMPT_POLICY=str(policy)).until_ready()
    yield Asked(serve, "no key is looked at", "")
    stop_serve(serve)


def test_pydantic_ai(strict: Asked, tmp_path: Path) -> None:
    assert strict.python("pydantic-ai", "pydantic_ai_images", tmp_path) == {
        "own": [["image/webp"] * 2, "64x128"],
        "alias": [["image/png"], "128x128"],
        "refused": ["ContentFilterError", "moderation_blocked"],
        "size": ["ModelHTTPError", 400, "size"],
    }
