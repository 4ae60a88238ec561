"""The first minute of a visitor, with the bundled model."""

import hashlib

import pytest

from tests.browser.conftest import CHROMIUM, OpenPage
from tests.integration.conftest import Serve

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")


def test_a_picture_comes_out_of_the_noise(serve: Serve, open_page: OpenPage) -> None:
    url = str(serve.http.base_url)
    playground = open_page(url)
    asked: list[str] = []
    playground.page.on("request", lambda request: asked.append(request.url))
    playground.page.reload()
    card = playground.ask_for("a photo of a fox on a blue background", Steps="100")
    steps, previews = playground.watch(card)
    assert len(steps) >= 3
    assert len(previews) >= 2
    (job,) = serve.http.get("/jobs").json()["jobs"]
    picture = playground.image_bytes(card.get_by_role("img"))
    assert hashlib.sha256(picture).hexdigest() == job["images"][0]["sha256"]
    assert "memory rung cpu" in card.inner_text()
    assert playground.violations() == []
    assert {each for each in asked if not each.startswith((url, "data:"))} == set()
