"""Grids over HTTP: asked for, refused, watched, canceled and deleted."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import redis

from contract import keys
from contract.errors import ParametersRefused, Refusal
from contract.job import JobStatus
from contract.parameters import JobRequest
from service.access.owners import ANONYMOUS
from service.app import create_app
from service.errors import ValidationFailed
from service.grids.grid_request import GridRequest
from service.jobs.completion import Completed, Completion
from service.settings import ServiceSettings
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.moves import Moves, submit_all
from tests.service.test_delete import kept
from tests.submissions import grid_submission

UNKNOWN = "0" * 32
STEPS = {"parameter": "num_inference_steps", "values": [1, 2, 5]}
GUIDANCE = {"parameter": "guidance_scale", "values": [1, 7.5]}
BODY: dict[str, Any] = {"parameters": {"prompt": "a fox", "width": 64, "height": 64}, "x": STEPS, "y": GUIDANCE}


def post(service: Service, body: dict[str, Any] = BODY, **headers: str) -> httpx.Response:
    return service.http.post("/grids", json=body, headers=headers)


def made(service: Service, body: dict[str, Any] = BODY) -> dict[str, Any]:
    answer = post(service, body)
    assert answer.status_code == 202, answer.text
    grid: dict[str, Any] = answer.json()
    return grid


def shown(service: Service, grid: dict[str, Any]) -> dict[str, Any]:
    answer = service.http.get(f"/grids/{grid['id']}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def job_ids(grid: dict[str, Any]) -> list[str]:
    return [cell["job_id"] for cell in grid["cells"]]


def jobs_of(service: Service) -> list[dict[str, Any]]:
    """Oldest first."""
    jobs: list[dict[str, Any]] = service.http.get("/jobs", params={"limit": 100}).json()["jobs"]
    return jobs[::-1]


def test_a_grid_is_a_job_for_each_pair_of_values_row_by_row(service: Service) -> None:
    answer = post(service)
    grid = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/grids/{grid['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"
    assert [(cell["x"], cell["y"]) for cell in grid["cells"]] == [(x, y) for y in (1, 7.5) for x in (1, 2, 5)]
    assert (grid["status"], grid["progress"], grid["eta_seconds"]) == ("queued", 0, None)
    assert (grid["x"], grid["y"]) == (STEPS, GUIDANCE)
    assert grid["counts"] == dict.fromkeys(("running", "succeeded", "failed", "canceled", "gone"), 0) | {"queued": 6}
    assert all((cell["status"], cell["error"], cell["image"]) == ("queued", None, None) for cell in grid["cells"])
    assert shown(service, grid) == grid
    for job, cell in zip(jobs_of(service), grid["cells"], strict=True):
        assert (job["id"], job["grid_id"]) == (cell["job_id"], grid["id"])
        parameters = job["parameters"]
        assert (parameters["num_inference_steps"], parameters["guidance_scale"]) == (cell["x"], cell["y"])


def test_the_cells_of_a_grid_stand_in_line_in_their_order(service: Service) -> None:
    grid = made(service)
    assert [job["queue_position"] for job in jobs_of(service)] == [1, 2, 3, 4, 5, 6]
    assert [job["id"] for job in jobs_of(service)] == job_ids(grid)


def test_all_that_is_on_no_axis_is_the_same_in_every_cell(service: Service) -> None:
    shared = BODY["parameters"] | {"labels": {"a": "b"}, "deadline_seconds": 60, "num_images_per_prompt": 2}
    made(service, BODY | {"parameters": shared})
    jobs = jobs_of(service)
    assert len({job["parameters"]["seed"] for job in jobs}) == 1
    assert len({job["deadline_at"] for job in jobs}) == 1
    assert all(job["labels"] == {"a": "b"} and job["parameters"]["num_images_per_prompt"] == 2 for job in jobs)


def test_a_seed_that_is_not_named_is_another_one_for_every_grid(service: Service) -> None:
    made(service)
    made(service)
    assert len({job["parameters"]["seed"] for job in jobs_of(service)}) == 2


def test_the_jobs_of_a_grid_are_those_that_generate_would_make(service: Service) -> None:
    grid = made(
        service, {"parameters": {"prompt": "a", "seed": 7}, "x": {"parameter": "scheduler", "values": ["ddim"]}}
    )
    alone = service.submit(prompt="a", seed=7, scheduler="ddim")
    assert alone["grid_id"] is None
    assert jobs_of(service)[0]["parameters"] == alone["parameters"]
    assert grid["y"] is None
    assert grid["cells"][0]["y"] is None


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("prompt", ["a fox", "a dog", "狐"]),
        ("negative_prompt", ["", "dark"]),
        ("model", ["pocket"]),
        ("width", [64, 128]),
        ("height", [64, 128]),
        ("num_inference_steps", [1, 2]),
        ("guidance_scale", [0, 1.5]),
        ("seed", [0, 4294967295]),
        ("scheduler", ["DDIM", "Euler a"]),
        ("prompt_weighting", [True, False]),
        ("clip_skip", [0, 1]),
    ],
)
def test_an_axis_can_be_of_any_of_these_parameters(service: Service, parameter: str, values: list[Any]) -> None:
    shared = {} if parameter == "prompt" else {"prompt": "a fox"}
    made(service, {"parameters": shared, "x": {"parameter": parameter, "values": values}})
    assert [job["parameters"][parameter] for job in jobs_of(service)] == values


def test_null_on_an_axis_leaves_its_parameter_to_the_model(service: Service) -> None:
    made(service, {"parameters": {"prompt": "a"}, "x": {"parameter": "num_inference_steps", "values": [None, 3]}})
    assert [job["parameters"]["num_inference_steps"] for job in jobs_of(service)] == [20, 3]


def x(parameter: str, *values: Any) -> dict[str, Any]:
    return {"x": {"parameter": parameter, "values": list(values)}}


@pytest.mark.parametrize(
    ("changes", "pointers", "word"),
    [
        ({"x": None}, ["/x"], "object"),
        ({"z": STEPS}, ["/z"], "not permitted"),
        ({"y": STEPS}, ["/y/parameter"], "x"),
        ({"y": {"parameter": "scheduler"}}, ["/y/values"], "required"),
        ({"x": STEPS | {"z": 1}}, ["/x/z"], "not permitted"),
        (x("labels", {}), ["/x/parameter"], "num_inference_steps"),
        (x("num_images_per_prompt", 1), ["/x/parameter"], "num_inference_steps"),
        (x("output_format", "png"), ["/x/parameter"], "num_inference_steps"),
        (x("scheduler"), ["/x/values"], "at least 1"),
        (x("seed", *range(101)), ["/x/values"], "at most 100"),
        (x("seed", *range(51)), ["/y/values"], "102 cells, must be at most 100"),
        (x("seed", 1, 2, 1, 1), ["/x/values/2", "/x/values/3"], "twice"),
        (x("num_inference_steps", 1, "2", 3.5, True, 0, 201), [f"/x/values/{n}" for n in range(1, 6)], "integer"),
        (x("num_inference_steps", 1, 2, 3, 200), ["/x/values/3"], "at most"),
        (x("scheduler", "DDIM", "Heun"), ["/x/values/1"], "DPM++ 2M"),
        (x("model", "pocket", "other"), ["/x/values/1"], "pocket"),
        (x("seed", [], {}), ["/x/values/0", "/x/values/1"], "integer"),
        (x("prompt", "a"), ["/parameters/prompt"], "axis"),
        (x("width", 64), ["/parameters/width"], "axis"),
        ({"parameters": {}}, ["/parameters/prompt"], "required"),
        ({"parameters": {"prompt": "a", "seed": -1, "steps": 1}}, ["/parameters/seed", "/parameters/steps"], "0"),
        ({"parameters": {"prompt": "a", "seed": 4294967295, "num_images_per_prompt": 2}}, ["/parameters/seed"], "94"),
        ({"parameters": {"prompt": "a", "scheduler": "Heun"}}, ["/parameters/scheduler"], "DDIM"),
        ({"parameters": {"prompt": "a", "labels": {"a b": ""}}}, ["/parameters/labels/a b"], "pattern"),
        ({"parameters": {"prompt": "a", "deadline_seconds": 10**6}}, ["/parameters/deadline_seconds"], "86400"),
        ({"y": GUIDANCE | {"values": [1, -1]}, **x("seed", 1, -2)}, ["/x/values/1", "/y/values/1"], "0"),
    ],
)
def test_a_place_that_cannot_be_taken_is_named_with_its_limit(
    service: Service, changes: dict[str, Any], pointers: list[str], word: str
) -> None:
    answer = post(service, BODY | changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "validation_failed")
    assert sorted(error["pointer"] for error in problem["errors"]) == pointers
    assert word in problem["errors"][0]["detail"]
    assert jobs_of(service) == []


def test_whatever_the_cells_take_to_be_read_the_loop_goes_on(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_went_on = Event()

    def complete(_self: Completion, _request: JobRequest, _seed: int) -> Completed:
        assert loop_went_on.wait(10)
        raise ParametersRefused([Refusal("/prompt", "must be another one")])

    async def submit() -> None:
        grids = create_app(ServiceSettings(redis_url=redis_url, data_dir=tmp_path)).state.parts.grids
        asyncio.get_running_loop().call_later(0.05, loop_went_on.set)
        await grids.submit(GridRequest.model_validate(BODY), ANONYMOUS, None)

    monkeypatch.setattr(Completion, "complete", complete)
    with pytest.raises(ValidationFailed):
        asyncio.run(submit())


@pytest.mark.parametrize("body", [b"{", b'{"x": "\\ud800"}', b""])
def test_what_is_no_json_is_refused(service: Service, body: bytes) -> None:
    answer = service.http.post("/grids", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


def test_a_grid_sent_again_under_its_key_is_the_same_grid(service: Service) -> None:
    first = post(service, **{"Idempotency-Key": "k"})
    again = post(service, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.json() == first.json()
    assert len(jobs_of(service)) == 6
    other = post(service, BODY | {"x": STEPS | {"values": [1, 2]}}, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_key_of_a_job_is_none_of_a_grid(service: Service) -> None:
    headers = {"Idempotency-Key": "k"}
    assert service.http.post("/generate", json={"prompt": "a fox"}, headers=headers).status_code == 202
    assert post(service, **headers).json()["code"] == "idempotency_key_reused"


def test_a_key_whose_grid_is_no_longer_kept_is_told_so(service: Service) -> None:
    grid = post(service, **{"Idempotency-Key": "k"}).json()
    service.http.post(f"/grids/{grid['id']}/cancel")
    assert service.http.delete(f"/grids/{grid['id']}").status_code == 204
    answer = post(service, **{"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (410, "grid_expired")


def test_a_grid_tells_how_far_its_jobs_are_by_the_work_that_they_are(
    service: Service, client: redis.Redis, moves: Moves
) -> None:
    grid = made(service)
    first = moves.claim()
    client.hset(keys.PACE, mapping={"seconds": 1, "cost": 64 * 64})
    running = shown(service, grid)
    assert (running["status"], running["progress"], running["counts"]["running"]) == ("running", 0, 1)
    moves.finish(first)
    second = moves.claim()
    moves.progress(second, 1, 2)
    halfway = shown(service, grid)
    # Of 16 steps in six cells, the one of the first is done and one of the two of the second.
    assert halfway["progress"] == round(2 / 16, 3)
    assert [cell["status"] for cell in halfway["cells"]] == ["succeeded", "running", *["queued"] * 4]
    moves.finish(second, "failed", "error_code", "out_of_memory", "error_detail", "too large")
    for _ in range(4):
        moves.finish(moves.claim(), "finished", "timings", '{"denoise_seconds": 1.5}')
    ended = shown(service, grid)
    assert (ended["status"], ended["progress"], ended["eta_seconds"]) == ("ended", 1, None)
    assert (ended["counts"]["succeeded"], ended["counts"]["failed"]) == (5, 1)
    assert ended["cells"][1]["error"] == {"code": "out_of_memory", "detail": "too large"}
    for cell in ended["cells"]:
        assert cell["timings"] == service.http.get(f"/jobs/{cell['job_id']}").json()["timings"]
    assert ended["cells"][2]["timings"]["denoise_seconds"] == 1.5


def test_a_grid_tells_when_its_last_job_will_have_ended(service: Service, client: redis.Redis, moves: Moves) -> None:
    grid = made(service)
    moves.progress(UNKNOWN, 0, 0)
    client.hset(keys.WORKERS, "w", f'{time.time():.6f} {{"state":"ready","pid":1}}')
    client.hset(keys.PACE, mapping={"seconds": 1, "cost": 64 * 64})
    assert shown(service, grid)["eta_seconds"] == 16
    assert shown(service, grid)["eta_seconds"] == jobs_of(service)[-1]["eta_seconds"]
    for _ in range(5):
        moves.finish(moves.claim())
    client.hset(keys.PACE, mapping={"seconds": 100, "cost": 64 * 64})
    moves.claim()
    assert 499 <= shown(service, grid)["eta_seconds"] <= 500


def test_waiting_for_a_grid_returns_as_soon_as_its_last_job_ends(service: Service, moves: Moves) -> None:
    grid = made(service)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.get, f"{service.url}/grids/{grid['id']}?wait=20", timeout=30, trust_env=False)
        for _ in range(6):
            time.sleep(0.05)
            assert not waiting.done()
            moves.finish(moves.claim())
        ended = time.monotonic()
        assert waiting.result().json()["status"] == "ended"
        # Far below the five seconds after which a waiting client looks again by itself.
        assert time.monotonic() - ended < 2


def test_waiting_ends_with_the_grid_as_it_is_when_the_time_is_over(service: Service) -> None:
    answer = service.http.get(f"/grids/{made(service)['id']}", params={"wait": "0.3"})
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert service.http.get(f"/grids/{UNKNOWN}", params={"wait": "61"}).status_code == 422


def test_canceling_ends_whatever_has_not_ended_and_is_repeatable(service: Service, moves: Moves) -> None:
    before, grid, after = service.submit(), made(service), service.submit()
    moves.finish(moves.claim())
    moves.finish(moves.claim())
    running = moves.claim()
    first, second = (service.http.post(f"/grids/{grid['id']}/cancel") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert [cell["status"] for cell in first.json()["cells"]] == ["succeeded", "running", *["canceled"] * 4]
    moves.finish(running, "canceled")
    ended = shown(service, grid)
    assert (ended["status"], ended["counts"]["canceled"]) == ("ended", 5)
    assert service.http.get(f"/jobs/{after['id']}").json()["queue_position"] == 1
    assert service.http.get(f"/jobs/{before['id']}").json()["status"] == JobStatus.SUCCEEDED


def test_a_canceled_grid_lets_its_owners_other_jobs_move_up(service: Service, client: redis.Redis) -> None:
    grid, other = made(service), service.submit()
    behind = client.hget(keys.JOB_PREFIX + other["id"], "score")
    service.http.post(f"/grids/{grid['id']}/cancel")
    moved_up = client.hget(keys.JOB_PREFIX + other["id"], "score")
    assert int(behind or 0) - int(moved_up or 0) == 16 * 64 * 64
    assert client.lrange(keys.QUEUE, 0, -1) == [other["id"]]


def test_a_grid_that_has_ended_can_be_deleted_with_its_jobs_and_pictures(
    service: Service, client: redis.Redis, moves: Moves
) -> None:
    before = kept(client)
    grid = made(service)
    moves.finish(moves.claim())
    answer = service.http.delete(f"/grids/{grid['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "grid_not_ended")
    service.http.post(f"/grids/{grid['id']}/cancel")
    folder = service.data_dir / "images" / job_ids(grid)[0]
    folder.mkdir(parents=True)
    (folder / "e-0.png").write_bytes(b"a picture")
    assert service.http.delete(f"/grids/{grid['id']}").status_code == 204
    assert not folder.exists()
    for path in (f"/grids/{grid['id']}", *(f"/jobs/{each}" for each in job_ids(grid))):
        assert service.http.get(path).status_code == 404
    assert service.http.delete(f"/grids/{grid['id']}").status_code == 404
    assert service.http.get("/grids").json() == {"grids": [], "next_cursor": None}
    assert kept(client) == before


def test_what_was_begun_to_be_deleted_goes_though_the_store_fails(service: Service, client: redis.Redis) -> None:
    grid = made(service)
    service.http.post(f"/grids/{grid['id']}/cancel")
    images, aside = service.data_dir / "images", service.data_dir / "aside"
    images.rename(aside)
    images.touch()
    try:
        answer = service.http.delete(f"/grids/{grid['id']}")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    finally:
        images.unlink()
        aside.rename(images)
    wait_until(lambda: service.http.get(f"/grids/{grid['id']}").status_code == 410)
    assert client.keys(keys.JOB_PREFIX + "*") == []


def test_a_grid_lives_exactly_as_long_as_one_of_its_jobs(service: Service, client: redis.Redis) -> None:
    before = kept(client)
    grid = made(service)
    service.http.post(f"/grids/{grid['id']}/cancel")
    first, *others, last = job_ids(grid)
    assert service.http.delete(f"/jobs/{first}").status_code == 204
    rest = shown(service, grid)
    assert (rest["status"], rest["counts"]["gone"], rest["progress"]) == ("ended", 1, 1)
    assert (rest["cells"][0]["status"], rest["cells"][0]["x"], rest["cells"][0]["job_id"]) == ("gone", 1, first)
    for each in others:
        assert service.http.delete(f"/jobs/{each}").status_code == 204
    assert shown(service, grid)["counts"]["gone"] == 5
    assert service.http.delete(f"/jobs/{last}").status_code == 204
    assert service.http.get(f"/grids/{grid['id']}").json()["code"] == "grid_not_found"
    assert kept(client) == before


def test_a_grid_whose_jobs_are_past_their_retention_is_a_410(service: Service, client: redis.Redis) -> None:
    grid = made(service)
    service.http.post(f"/grids/{grid['id']}/cancel")
    for each in job_ids(grid):
        client.zadd(keys.EXPIRING, {each: 1})
    wait_until(lambda: service.http.get(f"/grids/{grid['id']}").status_code == 410)
    assert service.http.get(f"/grids/{grid['id']}").json()["code"] == "grid_expired"
    assert service.http.get(f"/grids/{grid['id']}/sheet.png").status_code == 410
    assert service.http.get("/grids").json()["grids"] == []
    left = [key for key in kept(client) if "grid" in key]
    assert left == [keys.GRID_TOMBSTONE_PREFIX + grid["id"]]
    assert 0 < int(client.ttl(left[0])) <= 24 * 3600


def test_a_grid_whose_jobs_a_tool_deleted_is_gone_with_the_next_look(service: Service, client: redis.Redis) -> None:
    grid, other = made(service), made(service)
    client.delete(*(keys.JOB_PREFIX + each for each in [*job_ids(grid), *job_ids(other)]))
    assert service.http.get(f"/grids/{grid['id']}").status_code == 404
    assert service.http.get("/grids").json()["grids"] == []
    assert not [key for key in client.keys("*") if str(key).startswith((keys.GRID_PREFIX, keys.GRIDS_PREFIX))]


def test_grids_are_listed_newest_first_page_by_page_without_their_cells(service: Service) -> None:
    grids = [made(service, BODY | {"y": None}) for _ in range(5)]
    service.submit()
    newest = [{name: value for name, value in grid.items() if name != "cells"} for grid in reversed(grids)]
    assert service.http.get("/grids").json() == {"grids": newest, "next_cursor": None}
    answer = service.http.get("/grids", params={"limit": 2})
    listed = answer.json()["grids"]
    while "next" in answer.links:
        assert answer.json()["next_cursor"]
        assert answer.links["next"]["url"].startswith("/grids?limit=2&cursor=")
        made(service, BODY | {"y": None})
        answer = service.http.get(answer.links["next"]["url"])
        listed += answer.json()["grids"]
    assert listed == newest
    assert service.http.get("/grids", params={"limit": "101"}).json()["errors"][0]["pointer"] == "/limit"
    assert service.http.get("/grids", params={"cursor": "x"}).json()["errors"][0]["pointer"] == "/cursor"


def test_a_page_of_very_large_grids_holds_fewer_and_has_a_next_one(service: Service, client: redis.Redis) -> None:
    for grid in range(25):
        cells = [f"{grid * 100 + cell:032x}" for cell in range(100)]
        submit_all(client, [grid_submission(f"{grid:032x}", cells)])
    first = service.http.get("/grids", params={"limit": 100}).json()
    assert [int(grid["id"], 16) for grid in first["grids"]] == list(range(24, 4, -1))
    second = service.http.get("/grids", params={"limit": 100, "cursor": first["next_cursor"]}).json()
    assert [int(grid["id"], 16) for grid in second["grids"]] == list(range(4, -1, -1))
    assert second["next_cursor"] is None


@pytest.mark.parametrize("name", ["x", UNKNOWN, "..%2f..", "%00", "*", "0" * 5000])
def test_a_grid_that_is_not_there_is_a_404(service: Service, name: str) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", ""), ("GET", "/sheet.png")):
        answer = service.http.request(method, f"/grids/{name}{path}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_another_owners_grid_is_answered_as_one_that_never_was(service: Service, client: redis.Redis) -> None:
    own, others = made(service), "f" * 32
    submit_all(client, [grid_submission(others, ["a" * 32, "b" * 32], owner="other")])
    for method, path in (
        ("GET", ""),
        ("GET", "?wait=1"),
        ("POST", "/cancel"),
        ("DELETE", ""),
        ("GET", "/sheet.png"),
        ("HEAD", "/sheet.webp"),
    ):
        there, never = (service.http.request(method, f"/grids/{each}{path}") for each in (others, UNKNOWN))
        assert there.status_code == never.status_code == 404
        assert there.content == never.content
    assert [grid["id"] for grid in service.http.get("/grids").json()["grids"]] == [own["id"]]
    assert client.hget(keys.JOB_PREFIX + "a" * 32, "status") == "queued"
    client.delete(keys.JOB_PREFIX + "a" * 32, keys.JOB_PREFIX + "b" * 32, keys.GRID_PREFIX + others)
    client.set(keys.GRID_TOMBSTONE_PREFIX + others, "other")
    assert service.http.get(f"/grids/{others}").status_code == 404


def test_a_job_of_a_grid_is_no_grid_and_a_grid_no_job(service: Service) -> None:
    grid = made(service)
    assert service.http.get(f"/jobs/{grid['id']}").status_code == 404
    assert service.http.get(f"/grids/{job_ids(grid)[0]}").status_code == 404


def test_nothing_of_a_grid_in_redis_but_its_jobs_holds_a_prompt_that_is_on_no_axis(
    service: Service, client: redis.Redis
) -> None:
    grid = made(service)
    record = client.hgetall(keys.GRID_PREFIX + grid["id"])
    assert "a fox" not in json.dumps(record)
