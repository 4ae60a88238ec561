"""Which requests stand in line so that a worker can draw them together, and what their jobs say of it."""

import json
from typing import Any
from uuid import uuid4

import pytest
import redis

from contract import scripts
from tests.service.conftest import Service
from tests.service.moves import claim, finish

_OWN: list[dict[str, Any]] = [
    {"prompt": "a dog", "negative_prompt": "dark", "seed": 4},
    {"guidance_scale": 7.5, "output_format": "webp"},
    {"prompt": "a (red:1.2) fox", "prompt_weighting": True, "clip_skip": 1},
    {"style": "watercolor", "labels": {"a": "b"}, "embed_parameters": False},
    {"num_images_per_prompt": 2},
]


def claim_batch(client: redis.Redis, images: int = 8) -> list[str]:
    """The ids of what a worker takes that draws so many images at once."""
    claims = client.register_script(scripts.CLAIM)(args=["w", uuid4().hex, json.dumps({"images": images})])
    return [claimed[0] for claimed in claims]


def test_requests_that_differ_in_what_is_each_pictures_own_are_taken_together(
    service: Service, client: redis.Redis
) -> None:
    jobs = [service.submit(**own)["id"] for own in _OWN]
    assert claim_batch(client) == jobs


@pytest.mark.parametrize(
    "other",
    [{"width": 64}, {"height": 64}, {"num_inference_steps": 3}, {"scheduler": "Euler a"}, {"guidance_scale": 1}],
)
def test_requests_that_differ_in_what_a_pipeline_call_has_once_are_not(
    service: Service, client: redis.Redis, other: dict[str, Any]
) -> None:
    first, second, third = (service.submit(**own)["id"] for own in ({}, other, {}))
    assert claim_batch(client) == [first, third]
    assert claim_batch(client) == [second]


def test_the_images_of_a_request_count_against_what_a_worker_draws_at_once(
    service: Service, client: redis.Redis
) -> None:
    first, second, third = (service.submit(num_images_per_prompt=number)["id"] for number in (2, 3, 2))
    assert claim_batch(client, images=4) == [first, third]
    assert claim_batch(client, images=4) == [second]


def test_an_exclusive_request_shares_with_nobody_and_says_so(service: Service, client: redis.Redis) -> None:
    jobs = [service.submit(exclusive=exclusive) for exclusive in (False, True, False, True)]
    assert [job["exclusive"] for job in jobs] == [False, True, False, True]
    first, second, third, fourth = (job["id"] for job in jobs)
    assert [claim_batch(client) for _ in range(3)] == [[first, third], [second], [fourth]]


def test_the_cells_of_a_grid_can_be_exclusive(service: Service, client: redis.Redis) -> None:
    grid = {"parameters": {"prompt": "a fox", "exclusive": True}, "x": {"parameter": "seed", "values": [1, 2]}}
    cells = service.http.post("/grids", json=grid).json()["cells"]
    assert all(service.http.get(f"/jobs/{cell['job_id']}").json()["exclusive"] for cell in cells)
    assert [claim_batch(client) for _ in range(2)] == [[cell["job_id"]] for cell in cells]


def test_the_cells_of_a_grid_that_share_enough_are_taken_together(service: Service, client: redis.Redis) -> None:
    grid = {
        "parameters": {"prompt": "a fox"},
        "x": {"parameter": "guidance_scale", "values": [1, 4, 7.5]},
        "y": {"parameter": "seed", "values": [1, 2]},
    }
    cells = service.http.post("/grids", json=grid).json()["cells"]
    taken = [claim_batch(client) for _ in range(2)]
    assert taken == [
        [cell["job_id"] for cell in cells if cell["x"] == 1],
        [cell["job_id"] for cell in cells if cell["x"] != 1],
    ]


def test_a_job_tells_of_how_many_images_the_pipeline_call_was_and_on_which_rung(
    service: Service, client: redis.Redis
) -> None:
    job = service.submit()
    assert job["batch_size"] is job["rung"] is None
    assert claim(client) == job["id"]
    finish(client, job["id"], "finished", "batch_size", "4", "rung", "model_offload")
    drawn = service.http.get(f"/jobs/{job['id']}").json()
    assert (drawn["batch_size"], drawn["rung"]) == (4, "model_offload")


@pytest.mark.parametrize("exclusive", ["yes", 1, None])
def test_an_exclusive_that_is_neither_true_nor_false_is_named(service: Service, exclusive: object) -> None:
    answer = service.http.post("/generate", json={"prompt": "a", "exclusive": exclusive})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/exclusive")
