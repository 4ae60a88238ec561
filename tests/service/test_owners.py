"""Two holders of keys on one service: what one has is for the other as if it had never been."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import redis
from httpx_sse import connect_sse

from contract import scripts
from service.access.key_file import KeyLimits
from service.keys import add, revoke
from tests.conftest import wait_until
from tests.service.conftest import Service, database, lasting, start_service, stop_service
from tests.service.event_stream import events_of
from tests.service.pictures import Picture, keep

NEVER = "0" * 32
REQUESTS = [
    ("GET", "/jobs/{}"),
    ("GET", "/jobs/{}?wait=1"),
    ("DELETE", "/jobs/{}"),
    ("POST", "/jobs/{}/cancel"),
    ("POST", "/jobs/{}/webhook/redeliver"),
    ("GET", "/jobs/{}/events"),
    ("GET", "/jobs/{}/events?preview=1"),
    ("GET", "/images/{}/0.png"),
    ("HEAD", "/images/{}/0.png"),
    ("GET", "/images/{}/0"),
    ("HEAD", "/images/{}/0.webp?width=64"),
    ("GET", "/images/{}/7.png"),
    ("GET", "/v1/predictions/{}"),
    ("POST", "/v1/predictions/{}/cancel"),
    ("GET", "/v1/predictions/{}/stream"),
]


def as_owner(service: Service, key: str) -> Service:
    headers = {"Authorization": f"Bearer {key}"}
    return replace(service, http=httpx.Client(base_url=service.url, timeout=30, trust_env=False, headers=headers))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("owners") / "keys.json"


@pytest.fixture(scope="module")
def running(valkey_socket: Path, file: Path) -> Iterator[dict[str, Service]]:
    limits = KeyLimits(max_queued_jobs=2, requests_per_minute=5, max_cost=128 * 128 * 20)
    keys = {"alice": add(file, "alice", KeyLimits()), "bob": add(file, "bob", limits)}
    service = start_service(database(valkey_socket), file.parent / "data", DARKROOM_API_KEYS_FILE=str(file))
    owners = {name: as_owner(service, key) for name, key in keys.items()}
    yield owners | {"stranger": service}
    for owner in owners.values():
        owner.http.close()
    stop_service(service)


@pytest.fixture
def alice(running: dict[str, Service], redis_url: str) -> Service:  # noqa: ARG001
    return running["alice"]


@pytest.fixture
def bob(running: dict[str, Service]) -> Service:
    return running["bob"]


@pytest.fixture
def stranger(running: dict[str, Service]) -> Service:
    return running["stranger"]


@pytest.fixture
def picture(alice: Service, client: redis.Redis) -> Picture:
    return keep(alice, client)


def shown(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    return answer.status_code, lasting(answer), answer.content


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_anothers_ended_job_is_as_if_it_had_never_been(
    bob: Service, alice: Service, picture: Picture, method: str, path: str
) -> None:
    anothers, never = (bob.http.request(method, path.format(each)) for each in (picture.job_id, NEVER))
    assert shown(anothers) == shown(never)
    assert anothers.status_code == 404
    assert alice.http.get(picture.url).content == picture.content


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_anothers_queued_job_is_as_if_it_had_never_been(bob: Service, alice: Service, method: str, path: str) -> None:
    job_id = alice.submit()["id"]
    anothers, never = (bob.http.request(method, path.format(each)) for each in (job_id, NEVER))
    assert shown(anothers) == shown(never)
    assert alice.http.get(f"/jobs/{job_id}").json()["status"] == "queued"


def test_anothers_expired_job_is_as_if_it_had_never_been(
    bob: Service, alice: Service, client: redis.Redis, picture: Picture
) -> None:
    client.zadd("darkroom:expiring", {picture.job_id: 1})
    wait_until(lambda: alice.http.get(f"/jobs/{picture.job_id}").status_code == 410)
    for method, path in REQUESTS:
        anothers, never = (bob.http.request(method, path.format(each)) for each in (picture.job_id, NEVER))
        assert shown(anothers) == shown(never)
        assert alice.http.request(method, path.format(picture.job_id)).status_code == 410


@pytest.mark.parametrize(("method", "path"), [*REQUESTS, ("GET", "/jobs"), ("POST", "/generate")])
def test_a_stranger_learns_nothing(stranger: Service, picture: Picture, method: str, path: str) -> None:
    anothers, never = (stranger.http.request(method, path.format(each)) for each in (picture.job_id, NEVER))
    assert shown(anothers) == shown(never)
    assert anothers.status_code == 401
    assert anothers.headers["www-authenticate"] == 'Bearer realm="darkroom"'


def test_a_strangers_body_is_not_read(stranger: Service) -> None:
    headers = {"Content-Type": "application/json"}
    assert stranger.http.post("/generate", content=b"x" * 60_000, headers=headers).status_code == 401
    # What is too large for anybody need not be read either.
    assert stranger.http.post("/generate", content=b"x" * 100_000, headers=headers).status_code == 413
    assert stranger.http.post("/generate", content=(b"x" * 10_000 for _ in range(20))).status_code == 401


GRID = {"parameters": {"prompt": "a"}, "x": {"parameter": "seed", "values": [1, 2]}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/grids/{}"),
        ("GET", "/grids/{}?wait=1"),
        ("POST", "/grids/{}/cancel"),
        ("DELETE", "/grids/{}"),
        ("GET", "/grids/{}/sheet.png"),
        ("HEAD", "/grids/{}/sheet.webp"),
    ],
)
def test_anothers_grid_is_as_if_it_had_never_been(
    alice: Service, bob: Service, stranger: Service, method: str, path: str
) -> None:
    grid = alice.http.post("/grids", json=GRID).json()
    for owner, status in ((bob, 404), (stranger, 401)):
        anothers, never = (owner.http.request(method, path.format(each)) for each in (grid["id"], NEVER))
        assert shown(anothers) == shown(never)
        assert anothers.status_code == status
    assert bob.http.get("/grids").json() == {"grids": [], "next_cursor": None}
    assert alice.http.get("/grids").json()["grids"][0]["status"] == "queued"


def test_a_signed_sheet_needs_no_key_and_opens_nothing_else(
    alice: Service, stranger: Service, client: redis.Redis, picture: Picture
) -> None:
    grid, other = (alice.http.post("/grids", json=GRID).json() for _ in range(2))
    signed = grid["sheet_signed_url"]
    sheet = stranger.http.get(signed)
    assert (sheet.status_code, sheet.content) == (200, alice.http.get(grid["sheet_url"]).content)
    query = signed.partition("?")[2]
    assert stranger.http.get(f"/grids/{grid['id']}/sheet.webp?{query}").status_code == 200
    for path in (other["sheet_url"], f"/grids/{grid['id']}", picture.url):
        assert stranger.http.get(f"{path}?{query}").status_code == 401
    job = alice.http.get(f"/jobs/{picture.job_id}").json()
    assert (
        stranger.http.get(f"{grid['sheet_url']}?{job['images'][0]['signed_url'].partition('?')[2]}").status_code == 401
    )
    alice.http.post(f"/grids/{grid['id']}/cancel")
    for cell in grid["cells"]:
        client.zadd("darkroom:expiring", {cell["job_id"]: 1})
    wait_until(lambda: stranger.http.get(signed).status_code == 410)


def test_a_grid_counts_as_its_jobs_against_a_keys_limits(alice: Service, bob: Service) -> None:
    many = GRID | {"x": {"parameter": "seed", "values": [1, 2, 3]}}
    answer = bob.http.post("/grids", json=many)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/x/values")
    assert "3 cells, must be at most 2" in answer.json()["errors"][0]["detail"]
    assert alice.http.post("/grids", json=many).status_code == 202
    assert bob.http.post("/grids", json=GRID).headers["ratelimit"].startswith('"submit";r=3;')
    assert bob.http.post("/grids", json=GRID).json()["code"] == "too_many_queued_jobs"


def test_everybody_lists_their_own_jobs(alice: Service, bob: Service) -> None:
    ids = {owner.submit()["id"]: owner for owner in (alice, bob)}
    for job_id, owner in ids.items():
        assert [job["id"] for job in owner.http.get("/jobs").json()["jobs"]] == [job_id]


def test_an_idempotency_key_is_its_owners(alice: Service, bob: Service) -> None:
    headers = {"Idempotency-Key": "same"}
    first, second = (owner.http.post("/generate", json={"prompt": "a"}, headers=headers) for owner in (alice, bob))
    assert first.json()["id"] != second.json()["id"]


def test_a_keys_limits_are_its_own(alice: Service, bob: Service) -> None:
    dear = {"prompt": "a", "num_images_per_prompt": 2}
    refused = bob.http.post("/generate", json=dear)
    assert refused.status_code == 422
    assert "must be at most 327680" in refused.json()["errors"][0]["detail"]
    headers = [bob.http.post("/generate", json={"prompt": "a"}).headers for _ in range(2)]
    assert [each["ratelimit"].partition(";t")[0] for each in headers] == ['"submit";r=4', '"submit";r=3']
    refused = bob.http.post("/generate", json={"prompt": "a"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_queued_jobs")
    assert "ratelimit" not in alice.http.post("/generate", json=dear).headers


def test_jobs_outlive_their_owners_key(alice: Service, file: Path, stranger: Service, picture: Picture) -> None:
    former = file.read_bytes()
    revoke(file, "alice")
    wait_until(lambda: alice.http.get("/jobs").status_code == 401)
    again = as_owner(stranger, add(file, "alice", KeyLimits()))
    wait_until(lambda: again.http.get("/jobs").status_code == 200)
    assert again.http.get(picture.url).content == picture.content
    again.http.close()
    file.write_bytes(former)
    wait_until(lambda: alice.http.get("/jobs").status_code == 200)


def test_a_stream_ends_with_the_key_that_it_was_asked_for_with(
    alice: Service, stranger: Service, file: Path, client: redis.Redis
) -> None:
    former = file.read_bytes()
    job_id = alice.submit()["id"]
    signed = alice.http.get(f"/v1/predictions/{job_id}").json()["urls"]["stream"]
    with (
        events_of(alice.http, job_id) as events,
        connect_sse(alice.http, "GET", f"/v1/predictions/{job_id}/stream") as predicted,
        connect_sse(stranger.http, "GET", signed) as without_a_key,
    ):
        assert next(events).type == "queued"
        revoke(file, "alice")
        wait_until(lambda: alice.http.get("/jobs").status_code == 401)
        client.register_script(scripts.CANCEL)(args=[job_id, "alice"])
        assert list(events) == []
        assert [event.event for event in predicted.iter_sse() if event.data] == []
        assert [event.event for event in without_a_key.iter_sse() if event.data] == ["done"]
    file.write_bytes(former)
    wait_until(lambda: alice.http.get("/jobs").status_code == 200)


def signed_url(alice: Service, picture: Picture) -> str:
    url: str = alice.http.get(f"/jobs/{picture.job_id}").json()["images"][0]["signed_url"]
    return url


def test_a_signed_url_needs_no_key(alice: Service, stranger: Service, picture: Picture) -> None:
    url = signed_url(alice, picture)
    assert stranger.http.get(url).content == picture.content
    assert stranger.http.head(url).status_code == 200
    assert stranger.http.get(url.replace(".png?", ".webp?width=64&")).headers["content-type"] == "image/webp"
    assert stranger.http.get(url, headers={"Range": "bytes=0-3"}).content == picture.content[:4]


def test_a_signed_url_opens_nothing_else(alice: Service, bob: Service, stranger: Service, picture: Picture) -> None:
    url = signed_url(alice, picture)
    query = url.partition("?")[2]
    tampered = [
        url.replace("/0.png", "/1.png"),
        url[:-2],
        url + "x",
        url.replace("expires=", "expires=9"),
        f"/jobs?{query}",
    ]
    for each in tampered:
        assert stranger.http.get(each).status_code == 401
    # To somebody with a key it is as if it were not signed.
    assert bob.http.get(url[:-2]).status_code == 404
    assert alice.http.get(url[:-2]).status_code == 200


def test_a_signed_url_ends_with_its_picture(alice: Service, stranger: Service, picture: Picture) -> None:
    url = signed_url(alice, picture)
    assert alice.http.delete(f"/jobs/{picture.job_id}").status_code == 204
    assert stranger.http.get(url).status_code == 404
