import asyncio
import hashlib
import struct
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from PIL import Image

from contract.image_file import CONTENT_TYPES, encode_pixels
from contract.image_store import local_image_store
from contract.job import Job, StoredImage
from contract.parameters import OutputFormat
from contract.provenance import Provenance, read_provenance
from service.pictures.image_variants import ImageVariants
from service.pictures.representation import ThumbnailWidth, represent
from tests.service.conftest import Service
from tests.service.pictures import Picture, drawing, encoded, keep, opened

FORMATS: list[OutputFormat] = ["png", "jpeg", "webp"]
UNKNOWN = Provenance(system=None, parameters=None)


@pytest.fixture
def picture(service: Service, client: redis.Redis) -> Picture:
    return keep(service, client)


@pytest.mark.parametrize("stored", FORMATS)
@pytest.mark.parametrize("ending", ["png", "jpeg", "jpg", "webp"])
def test_a_picture_is_had_in_every_format(
    service: Service, client: redis.Redis, stored: OutputFormat, ending: str
) -> None:
    picture = keep(service, client, stored)
    answer = service.http.get(f"{picture.address}.{ending}")
    image = opened(answer.content)
    assert answer.headers["content-type"] == Image.MIME[image.format or ""] == CONTENT_TYPES[_format(ending)]
    assert image.size == drawing().size
    if ending == "png":
        assert image.convert("RGB").tobytes() == opened(picture.content).convert("RGB").tobytes()
    if _format(ending) == stored:
        assert answer.content == picture.content


def _format(ending: str) -> OutputFormat:
    formats: dict[str, OutputFormat] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
    return formats[ending]


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_a_png_is_transcoded_to_the_bytes_that_a_job_of_that_format_stores(
    service: Service, picture: Picture, output_format: OutputFormat
) -> None:
    job = Job.model_validate(service.http.get(f"/jobs/{picture.job_id}").json())
    answer = service.http.get(f"{picture.address}.{output_format}")
    assert answer.content == encoded(job, drawing(), output_format)


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("embed_parameters", [True, False])
def test_a_thumbnail_says_where_the_whole_picture_comes_from(
    service: Service, client: redis.Redis, output_format: OutputFormat, embed_parameters: bool
) -> None:
    picture = keep(service, client, embed_parameters=embed_parameters)
    job = Job.model_validate(service.http.get(f"/jobs/{picture.job_id}").json())
    answer = service.http.get(f"{picture.address}.{output_format}", params={"width": 64})
    provenance = read_provenance(opened(answer.content).info["xmp"])
    drawn = job.parameters.model_copy(update={"output_format": output_format})
    assert provenance == Provenance("Darkroom, model pocket", drawn if embed_parameters else None)


@pytest.mark.parametrize(
    ("size", "width", "thumbnail"),
    [
        ((320, 200), 64, (64, 40)),
        ((320, 200), 128, (128, 80)),
        ((320, 200), 256, (256, 160)),
        ((320, 200), 512, (320, 200)),
        ((200, 320), 64, (64, 102)),
        ((1088, 64), 1024, (1024, 60)),
        ((1088, 64), 512, (512, 30)),
        ((4096, 8), 64, (64, 1)),
    ],
)
def test_a_thumbnail_keeps_the_shape_of_its_picture(
    service: Service, client: redis.Redis, size: tuple[int, int], width: int, thumbnail: tuple[int, int]
) -> None:
    picture = keep(service, client, "png", size)
    for ending in ("png", "webp"):
        answer = service.http.get(f"{picture.address}.{ending}", params={"width": width})
        assert opened(answer.content).size == thumbnail


def test_a_thumbnail_is_resampled_with_lanczos(service: Service, picture: Picture) -> None:
    answer = service.http.get(picture.url, params={"width": 64})
    expected = drawing().resize((64, 40), Image.Resampling.LANCZOS)
    assert opened(answer.content).tobytes() == expected.tobytes()


@pytest.mark.parametrize("width", [512, 1024])
def test_nothing_is_scaled_up(service: Service, picture: Picture, width: int) -> None:
    answer = service.http.get(picture.url, params={"width": width})
    assert (answer.content, answer.headers["etag"]) == (picture.content, f'"{picture.sha256}"')
    whole = service.http.get(f"{picture.address}.webp")
    answer = service.http.get(f"{picture.address}.webp", params={"width": width})
    assert (answer.content, answer.headers["etag"]) == (whole.content, whole.headers["etag"])


@pytest.mark.parametrize(
    "width", ["0", "-64", "63", "65", "2048", "064", "+64", "64.0", " 64", "6_4", "", "x", "9" * 5000]
)
def test_a_width_that_is_not_offered_is_refused(service: Service, picture: Picture, width: str) -> None:
    for url in (picture.url, picture.address):
        answer = service.http.get(url, params={"width": width})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/width"
        assert "64, 128, 256, 512 or 1024" in error["detail"]


def test_a_variant_is_made_once(service: Service, picture: Picture) -> None:
    urls = [f"{picture.address}.webp", f"{picture.address}.webp?width=64"]
    first = [service.http.get(url).content for url in urls]
    picture.file.unlink()
    assert [service.http.get(url).content for url in urls] == first
    assert service.http.get(f"{picture.address}.jpeg").status_code == 404


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, and holds next to nothing."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(1000)),
        b"IEND": b"",
    }
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"no picture",
        lambda content: content[:-100],
        lambda content: content.replace(b"IDAT", b"IDAX"),
        lambda _: encode_pixels(drawing(), "jpeg", UNKNOWN),
        lambda _: encode_pixels(drawing((4104, 8)), "png", UNKNOWN),
        lambda _: _png_header(65000, 65000),
    ],
    ids=["text", "cut off", "damaged", "of another format", "too large", "a bomb"],
)
def test_a_file_that_is_no_picture_of_ours_is_not_decoded(
    service: Service, picture: Picture, spoil: Callable[[bytes], bytes]
) -> None:
    picture.file.write_bytes(spoil(picture.content))
    answer = service.http.get(f"{picture.address}.webp")
    assert (answer.status_code, answer.json()["code"]) == (500, "image_unreadable")
    assert service.http.get("/livez").status_code == 200


def test_the_service_answers_while_a_picture_is_encoded(service: Service, client: redis.Redis) -> None:
    picture = keep(service, client, "png", (2048, 2048))
    with ThreadPoolExecutor() as pool:
        encoding = pool.submit(service.http.get, f"{picture.address}.webp")
        answers = 0
        while not encoding.done():
            assert service.http.get("/livez").status_code == 200
            answers += 1
        assert encoding.result().status_code == 200
    # Were it encoded between two answers, there would be one before, one after, and a few until the bytes are here.
    assert answers >= 20


class Threads:
    """asyncio.to_thread, watched: how many calls there were, and how many at once. Each waits for a second one."""

    def __init__(self) -> None:
        self.calls = self.running = self.most = 0
        self._lock, self._pair = threading.Lock(), threading.Barrier(2)
        self._to_thread = asyncio.to_thread

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._to_thread(self._call, function, *arguments)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            self.calls += 1
            self.running += 1
            self.most = max(self.most, self.running)
        self._pair.wait(10)
        result = function(*arguments)
        with self._lock:
            self.running -= 1
        return result


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads()
    monkeypatch.setattr(asyncio, "to_thread", threads)
    return threads


def _variants(folder: Path, *wanted: tuple[OutputFormat, ThumbnailWidth | None]) -> list[bytes]:
    """Variants of one picture, asked for at once."""
    content = encode_pixels(drawing(), "png", UNKNOWN)
    image = StoredImage(
        key="job/0.png",
        index=0,
        seed=1,
        width=320,
        height=200,
        content_type="image/png",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    store = local_image_store(folder)
    store.put(image.key, content)

    async def get_all() -> list[bytes]:
        variants = ImageVariants(store)
        return await asyncio.gather(*(variants.get(represent(image, *each)) for each in wanted))

    return asyncio.run(get_all())


def test_two_pictures_are_encoded_at_once_and_no_more(tmp_path: Path, threads: Threads) -> None:
    made = _variants(tmp_path, ("png", 64), ("jpeg", 64), ("webp", 64), ("png", 128), ("jpeg", 128), ("webp", 128))
    assert len(set(made)) == 6
    assert threads.most == 2


def test_whoever_waits_for_a_picture_that_is_being_encoded_has_it_not_encoded_again(
    tmp_path: Path, threads: Threads
) -> None:
    made = _variants(tmp_path, *[("webp", None)] * 10)
    assert len(set(made)) == 1
    assert threads.calls == 2
