import pytest
import redis

from contract.image_file import CONTENT_TYPES
from contract.parameters import OutputFormat
from tests.conftest import wait_until
from tests.service.conftest import Service, lasting
from tests.service.pictures import Picture, drawing, keep, opened

ADDRESSES = ["0.png", "0.jpeg", "0.jpg", "0.webp", "0", "0.png?width=64", "0.webp?width=128", "0?width=64"]


@pytest.fixture
def picture(service: Service, client: redis.Redis) -> Picture:
    return keep(service, client)


@pytest.mark.parametrize("output_format", CONTENT_TYPES)
def test_a_picture_is_found_under_the_url_that_its_job_names(
    service: Service, client: redis.Redis, output_format: OutputFormat
) -> None:
    picture = keep(service, client, output_format)
    (image,) = service.http.get(f"/jobs/{picture.job_id}").json()["images"]
    assert image["url"] == picture.url
    answer = service.http.get(image["url"])
    assert answer.content == picture.content
    assert answer.headers["content-type"] == image["content_type"] == CONTENT_TYPES[output_format]
    assert answer.headers["etag"] == f'"{picture.sha256}"'
    assert "vary" not in answer.headers


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_picture_may_be_kept_for_ever_and_fetched_in_parts(
    service: Service, picture: Picture, address: str
) -> None:
    answer = service.http.get(f"/images/{picture.job_id}/{address}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("address", ADDRESSES)
def test_head_gives_the_headers_of_get_without_the_bytes(service: Service, picture: Picture, address: str) -> None:
    url = f"/images/{picture.job_id}/{address}"
    # HEAD first: it has to tell a length that nobody has computed yet. Ranges are for GET alone.
    head, get = service.http.head(url, headers={"Range": "bytes=0-1"}), service.http.get(url)
    assert (head.status_code, head.content) == (200, b"")
    assert lasting(head) == lasting(get)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("held", ["{tag}", "W/{tag}", '"x", W/"a,b" ,{tag}', "*"])
def test_a_client_that_has_the_picture_is_told_so(service: Service, picture: Picture, address: str, held: str) -> None:
    url = f"/images/{picture.job_id}/{address}"
    get = service.http.get(url)
    for method in ("GET", "HEAD"):
        answer = service.http.request(method, url, headers={"If-None-Match": held.format(tag=get.headers["etag"])})
        assert (answer.status_code, answer.content) == (304, b"")
        for name in ("etag", "cache-control", "vary"):
            assert answer.headers.get(name) == get.headers.get(name)


@pytest.mark.parametrize("held", ['"x"', "{sha256}", '"{sha256}', '"{sha256} "', ""])
def test_a_client_that_has_something_else_gets_the_picture(service: Service, picture: Picture, held: str) -> None:
    answer = service.http.get(picture.url, headers={"If-None-Match": held.format(sha256=picture.sha256)})
    assert (answer.status_code, answer.content) == (200, picture.content)


def test_tags_may_be_spread_over_several_headers(service: Service, picture: Picture) -> None:
    headers = [("If-None-Match", '"x"'), ("If-None-Match", f'"{picture.sha256}"')]
    assert service.http.get(picture.url, headers=headers).status_code == 304


def test_what_a_client_has_is_told_without_making_it(service: Service, picture: Picture) -> None:
    picture.file.unlink()
    url = f"{picture.address}.webp"
    assert service.http.get(url, headers={"If-None-Match": "*"}).status_code == 304
    assert service.http.get(url).status_code == 404


def test_every_format_and_width_has_a_tag_of_its_own(service: Service, picture: Picture) -> None:
    urls = [f"{picture.address}.{ending}{size}" for ending in CONTENT_TYPES for size in ("", "?width=64", "?width=128")]
    assert len({service.http.head(url).headers["etag"] for url in urls}) == len(urls)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "image/png"),
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("image/webp", "image/webp"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/webp, image/png", "image/png"),
        ("image/webp;q=0.9, image/png;q=0.8", "image/webp"),
        ("image/webp;q=0.8, image/png;q=0.9", "image/png"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/png"),
        ("text/html,image/avif,image/webp,*/*;q=0.8", "image/webp"),
        ("image/*;q=0.1, image/jpeg ; q=0.2", "image/jpeg"),
        ("image/*;q=0.1, */*;q=0.9, image/webp;q=0.5", "image/webp"),
        ("image/png;q=0, */*;q=0.1", "image/jpeg"),
        ("image/webp;q=0", "image/png"),
        ("application/json", "image/png"),
        ("image/webp;q=2, image/jpeg;q=0.1", "image/jpeg"),
        ("image/webp;q=nan", "image/png"),
        (";;,,/,image", "image/png"),
    ],
)
def test_accept_decides_on_the_format_of_an_address_without_one(
    service: Service, picture: Picture, accept: str | None, content_type: str
) -> None:
    request = service.http.build_request("GET", picture.address, headers={"Accept": accept or ""})
    if accept is None:
        del request.headers["Accept"]
    answer = service.http.send(request)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, content_type, "Accept")
    assert opened(answer.content).size == drawing().size


def test_what_is_accepted_may_be_spread_over_several_headers(service: Service, picture: Picture) -> None:
    headers = [("Accept", "image/png;q=0.5"), ("Accept", "image/jpeg")]
    assert service.http.get(picture.address, headers=headers).headers["content-type"] == "image/jpeg"


def test_among_equals_it_is_the_stored_format(service: Service, client: redis.Redis) -> None:
    picture = keep(service, client, "webp")
    assert service.http.get(picture.address).content == picture.content
    assert service.http.get(picture.address, headers={"Accept": "text/plain"}).content == picture.content


NAMES = ["1.png", "x.png", "-1.png", "00.png", "0.gif", "0.PNG", "0.png.png", "..%2f0.png", "0.", "00", "1", "x", "²"]


@pytest.mark.parametrize("name", NAMES)
def test_any_other_name_is_a_404(service: Service, picture: Picture, name: str) -> None:
    for job_id, code in ((picture.job_id, "image_not_found"), ("0" * 32, "job_not_found")):
        answer = service.http.get(f"/images/{job_id}/{name}")
        assert answer.status_code == service.http.head(f"/images/{job_id}/{name}").status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        if "%2f" not in name:
            assert answer.json()["code"] in (code, "image_not_found")


def test_a_picture_that_the_store_has_lost_is_a_404(service: Service, picture: Picture) -> None:
    picture.file.unlink()
    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = service.http.get(picture.url, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "image_not_found")


def test_a_picture_of_which_a_piece_is_missing_is_never_sent_as_a_whole(service: Service, picture: Picture) -> None:
    picture.file.write_bytes(picture.content[:100])
    assert service.http.get(picture.url).json()["code"] == "store_unavailable"


def test_the_contract_tells_how_a_picture_can_be_answered(service: Service) -> None:
    paths = service.http.get("/openapi.json").json()["paths"]
    for path in ("/images/{job_id}/{index}.{extension}", "/images/{job_id}/{index}"):
        assert {"200", "206", "304", "404", "416", "422"} <= set(paths[path]["get"]["responses"])
        (width,) = [each for each in paths[path]["get"]["parameters"] if each["name"] == "width"]
        assert "[64, 128, 256, 512, 1024]" in str(width["schema"])


def test_a_job_past_its_retention_goes_with_its_images(service: Service, client: redis.Redis, picture: Picture) -> None:
    folder = service.data_dir / "images" / picture.job_id
    assert folder.is_dir()
    client.zadd("darkroom:expiring", {picture.job_id: 1})
    wait_until(lambda: service.http.get(f"/jobs/{picture.job_id}").status_code == 410)
    assert not folder.exists()
    assert not client.exists(f"rq:job:{picture.job_id}")


def test_a_picture_is_found_by_its_index_where_others_of_its_job_were_withheld(
    service: Service,
    stub_worker: object,  # noqa: ARG001
) -> None:
    job_id = service.submit(prompt="filtered 0 2", num_images_per_prompt=4, seed=7)["id"]
    job = service.http.get(f"/jobs/{job_id}", params={"wait": 30}).json()
    assert [(image["index"], image["seed"]) for image in job["images"]] == [(1, 8), (3, 10)]
    assert [warning["code"] for warning in job["warnings"]] == ["image_filtered"] * 2
    for image in job["images"]:
        assert image["url"] == f"/images/{job_id}/{image['index']}.png"
        answers = [service.http.get(url) for url in (image["url"], image["signed_url"])]
        assert [opened(answer.content).getpixel((0, 0)) for answer in answers] == [(image["seed"], 0, 0)] * 2
    for index in (0, 2, 4):
        assert service.http.get(f"/images/{job_id}/{index}.png").json()["code"] == "image_not_found"
