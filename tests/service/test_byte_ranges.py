import time

import pytest
import redis

from tests.service.conftest import Service
from tests.service.pictures import Picture, keep


@pytest.fixture
def picture(service: Service, client: redis.Redis) -> Picture:
    return keep(service, client)


@pytest.mark.parametrize("address", ["0.png", "0", "0.webp", "0.jpeg?width=64"])
@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=0-", slice(None)),
        ("bytes=100-", slice(100, None)),
        ("bytes=100-99999999", slice(100, None)),
        (f"bytes=100-{'9' * 900}", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-99999999", slice(None)),
        ("Bytes=5-6", slice(5, 7)),
        ("bytes= 5-6 ,", slice(5, 7)),
    ],
)
def test_a_part_is_exactly_the_bytes_asked_for(
    service: Service, picture: Picture, address: str, text: str, part: slice
) -> None:
    url = f"/images/{picture.job_id}/{address}"
    whole = service.http.get(url)
    answer = service.http.get(url, headers={"Range": text})
    assert (answer.status_code, answer.content) == (206, whole.content[part])
    start, end, _ = part.indices(len(whole.content))
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(whole.content)}"
    assert answer.headers["content-length"] == str(len(answer.content))
    for name in ("etag", "content-type", "cache-control", "vary"):
        assert answer.headers.get(name) == whole.headers.get(name)


@pytest.mark.parametrize(
    "text",
    [
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=x",
        "bytes=5-4",
        "bytes=1-x",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=٣-٤".encode(),
        "bytes=0-1-2",
        "bytes 0-1",
        "lines=0-1",
        "lines=" + "0-1," * 5000,
        "bytes=0-1, 5-6",
        "bytes=" + ",".join(["0-1"] * 10),
    ],
)
def test_a_range_that_is_none_or_several_is_answered_with_the_whole(
    service: Service, picture: Picture, text: str | bytes
) -> None:
    answer = service.http.get(picture.url, headers={b"Range": text if isinstance(text, bytes) else text.encode()})
    assert (answer.status_code, answer.content) == (200, picture.content)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("ending", ["png", "webp"])
@pytest.mark.parametrize("text", ["bytes={size}-", "bytes={size}-{size}", "bytes=-0", "bytes=99999999-"])
def test_a_part_behind_the_end_is_a_416_that_tells_the_size(
    service: Service, picture: Picture, ending: str, text: str
) -> None:
    size = service.http.head(f"{picture.address}.{ending}").headers["content-length"]
    answer = service.http.get(f"{picture.address}.{ending}", headers={"Range": text.format(size=size)})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("text", ["bytes=" + ",".join(["0-"] * 11), "bytes=" + "0-," * 5000, f"bytes={'0' * 1100}-"])
def test_more_ranges_than_anybody_needs_cost_nothing(service: Service, picture: Picture, text: str) -> None:
    started = time.monotonic()
    answer = service.http.get(picture.url, headers={"Range": text})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("address", ["0.png", "0.webp?width=64"])
def test_a_part_is_sent_only_of_the_bytes_that_the_client_began_with(
    service: Service, picture: Picture, address: str
) -> None:
    url = f"/images/{picture.job_id}/{address}"
    tag = service.http.head(url).headers["etag"]
    for if_range, status in [
        (tag, 206),
        (f"W/{tag}", 200),
        ('"x"', 200),
        (tag.strip('"'), 200),
        ("Tue, 24 Nov 2026 18:00:00 GMT", 200),
        ("", 200),
    ]:
        answer = service.http.get(url, headers={"Range": "bytes=0-9", "If-Range": if_range})
        assert answer.status_code == status, if_range
        assert (len(answer.content) == 10) == (status == 206)


def test_a_client_that_has_the_picture_needs_no_part_of_it(service: Service, picture: Picture) -> None:
    headers = {"If-None-Match": f'"{picture.sha256}"', "Range": "bytes=0-9"}
    assert service.http.get(picture.url, headers=headers).status_code == 304
