import hashlib

import pytest
import redis

from contract.image_store import local_image_store
from contract.job import StoredImage, stored_images
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.test_jobs import claim, finish

CONTENT = b"\x89PNG not really"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def job_id(service: Service, client: redis.Redis) -> str:
    """A job that ended with one picture."""
    job_id: str = service.submit()["id"]
    claim(client)
    image = StoredImage(
        key=f"{job_id}/e-0.png",
        seed=1,
        width=128,
        height=128,
        content_type="image/png",
        size_bytes=len(CONTENT),
        sha256=SHA256,
    )
    local_image_store(service.data_dir / "images").put(image.key, CONTENT)
    finish(client, job_id, "finished", "images", stored_images.dump_json([image]).decode())
    return job_id


def test_a_picture_is_found_under_the_url_that_its_job_names(service: Service, job_id: str) -> None:
    (image,) = service.http.get(f"/jobs/{job_id}").json()["images"]
    assert image["url"] == f"/images/{job_id}/0.png"
    answer = service.http.get(image["url"])
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == image["content_type"] == "image/png"
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_head_gives_the_headers_of_get_without_the_bytes(service: Service, job_id: str) -> None:
    url = f"/images/{job_id}/0.png"
    head, get = service.http.head(url), service.http.get(url)
    names = ("etag", "content-type", "content-length", "cache-control")
    assert [head.headers[name] for name in names] == [get.headers[name] for name in names]
    assert head.content == b""


def test_a_client_that_has_the_picture_is_told_so(service: Service, job_id: str) -> None:
    answer = service.http.get(f"/images/{job_id}/0.png", headers={"If-None-Match": f'"{SHA256}"'})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize("name", ["1.png", "0.jpeg", "x.png", "-1.png", "00.png", "0.png.png", "..%2f0.png", "0."])
def test_any_other_name_is_a_404(service: Service, job_id: str, name: str) -> None:
    assert service.http.get(f"/images/{job_id}/{name}").status_code == 404
    assert service.http.get(f"/images/{'0' * 32}/{name}").status_code == 404


def test_a_job_past_its_retention_goes_with_its_images(service: Service, client: redis.Redis, job_id: str) -> None:
    folder = service.data_dir / "images" / job_id
    assert folder.is_dir()
    client.zadd("darkroom:expiring", {job_id: 1})
    wait_until(lambda: service.http.get(f"/jobs/{job_id}").status_code == 410)
    assert not folder.exists()
    assert not client.exists(f"rq:job:{job_id}")
