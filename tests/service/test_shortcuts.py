"""The requests that come most often go around FastAPI; one that is not plain goes through it, and is answered alike."""

import asyncio
from typing import Any

import fastapi.routing
import httpx
import pytest
import redis

from service.app import create_app
from service.settings import ServiceSettings
from tests.service.conftest import Service, lasting
from tests.service.pictures import Picture, keep


@pytest.fixture
def picture(service: Service, client: redis.Redis) -> Picture:
    return keep(service, client)


async def _refuse(**_: Any) -> None:
    raise AssertionError("FastAPI was asked for the arguments")


def test_plain_requests_do_not_have_fastapi_find_the_arguments(
    service: Service, picture: Picture, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastapi.routing, "solve_dependencies", _refuse)
    app = create_app(ServiceSettings(redis_url=redis_url, data_dir=service.data_dir))

    async def ask() -> tuple[list[int], str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            answers = [
                await http.post("/generate", json={"prompt": "a fox"}, headers={"Idempotency-Key": "one"}),
                await http.get(f"/jobs/{picture.job_id}"),
                await http.get(f"/jobs/{picture.job_id}?wait=9"),
                await http.head(f"/jobs/{picture.job_id}"),
                await http.get(picture.url),
                await http.head(picture.url),
            ]
            with pytest.raises(AssertionError, match="FastAPI was asked"):
                await http.get(f"/jobs/{picture.job_id}?wait=9.5")
        await app.state.parts.client.aclose()
        return [answer.status_code for answer in answers], answers[4].headers["etag"]

    assert asyncio.run(ask()) == ([202, 200, 200, 200, 200, 200], f'"{picture.sha256}"')


@pytest.mark.parametrize("other", ["wait=1.0", "wait=01", "wait=+1"])
def test_a_wait_that_is_written_otherwise_is_answered_alike(service: Service, picture: Picture, other: str) -> None:
    plain, through = (service.http.get(f"/jobs/{picture.job_id}?{query}") for query in ("wait=1", other))
    assert (through.status_code, lasting(through), through.content) == (200, lasting(plain), plain.content)


def test_a_picture_whose_query_changes_nothing_is_answered_alike(service: Service, picture: Picture) -> None:
    plain, through = (service.http.get(picture.url + query) for query in ("", "?width=1024"))
    assert (through.status_code, lasting(through), through.content) == (200, lasting(plain), plain.content)


@pytest.mark.parametrize("query", ["wait=60.5", "wait=-1", "wait=", "wait=1&wait=2", "wiat=1", "wait=nan"])
def test_a_wait_that_is_none_is_refused(service: Service, picture: Picture, query: str) -> None:
    answer = service.http.get(f"/jobs/{picture.job_id}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
