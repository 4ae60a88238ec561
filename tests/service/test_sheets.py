"""A grid as one picture: when it changes, how it is answered, and what stands in the place of a picture."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from PIL import Image

from contract import keys
from contract.grid import GridRecord, GridShape
from contract.image_file import CONTENT_TYPES
from contract.image_store import local_image_store
from contract.job import Job
from contract.provenance import MADE_BY_AI
from service.grids.sheets import Sheets
from tests.service.conftest import Service, lasting
from tests.service.moves import Moves
from tests.service.pictures import drawing, finish_with_picture, opened
from tests.service.test_grids import made
from tests.submissions import shape as row_of_seeds

SIZE = (64, 64)
BODY = {
    "parameters": {"prompt": "a", "width": 64, "height": 64, "num_inference_steps": 1},
    "x": {"parameter": "seed", "values": [1, 2]},
    "y": {"parameter": "guidance_scale", "values": [1, 2]},
}


def draw_next(service: Service, client: redis.Redis, moves: Moves) -> str:
    """The next job in line, with a picture."""
    job = Job.model_validate(service.http.get(f"/jobs/{moves.claim()}").json())
    finish_with_picture(service, client, job, "png", drawing(SIZE))
    return job.id


def sheet_of(service: Service, grid: dict[str, Any], **headers: str) -> httpx.Response:
    return service.http.get(grid["sheet_url"], headers=headers)


def corners(sheet: Image.Image, picture: Image.Image) -> list[tuple[int, int]]:
    """Where the picture is on the sheet."""
    row = picture.crop((0, 0, picture.width, 1)).tobytes()
    pixels, stride = sheet.tobytes(), 3 * sheet.width
    found = []
    place = pixels.find(row)
    while place >= 0:
        top, left = divmod(place, stride)
        if sheet.crop((left // 3, top, left // 3 + picture.width, top + picture.height)).tobytes() == picture.tobytes():
            found.append((left // 3, top))
        place = pixels.find(row, place + 1)
    return found


def test_sheets_with_the_mark_and_without_have_different_tags(tmp_path: Path) -> None:
    shape = GridShape.model_validate_json(row_of_seeds(1))
    grid = GridRecord(id="g", created_at=datetime.now(UTC), shape=shape, eta_seconds=None, cells=[])
    store = local_image_store(tmp_path)
    marked, unmarked = (Sheets(store, mark_ai=mark_ai).etag(grid, "png") for mark_ai in (True, False))
    assert marked != unmarked


def test_a_sheet_shows_each_picture_in_its_place_as_it_is(service: Service, client: redis.Redis, moves: Moves) -> None:
    grid = made(service, BODY)
    empty = opened(sheet_of(service, grid).content)
    assert corners(empty, drawing(SIZE)) == []
    draw_next(service, client, moves)
    draw_next(service, client, moves)
    draw_next(service, client, moves)
    sheet = opened(sheet_of(service, grid).content)
    assert sheet.size == empty.size
    (left, top), (right, same_top), (same_left, bottom) = corners(sheet, drawing(SIZE))
    assert (same_top, same_left) == (top, left)
    assert right - left >= SIZE[0]
    assert bottom - top >= SIZE[1]
    # The fourth is still to come.
    box = (right, bottom, right + SIZE[0], bottom + SIZE[1])
    assert sheet.crop(box).tobytes() == empty.crop(box).tobytes()


def test_a_sheet_is_the_same_until_a_job_begins_or_ends(service: Service, client: redis.Redis, moves: Moves) -> None:
    grid = made(service, BODY)

    def look() -> tuple[str, bytes]:
        answer = sheet_of(service, grid)
        assert answer.status_code == 200
        return answer.headers["etag"], answer.content

    looks = [look()]
    assert look() == looks[0]
    service.submit()
    assert look() == looks[0]
    first = moves.claim()
    looks.append(look())
    moves.progress(first, 1, 2)
    assert look() == looks[1]
    moves.finish(first, "failed", "error_code", "out_of_memory", "error_detail", "x")
    looks.append(look())
    draw_next(service, client, moves)
    looks.append(look())
    service.http.post(f"/grids/{grid['id']}/cancel")
    looks.append(look())
    service.http.delete(f"/jobs/{first}")
    looks.append(look())
    assert len({etag for etag, _ in looks}) == len({content for _, content in looks}) == 6


def test_a_client_that_has_the_sheet_is_told_so_and_nothing_is_drawn(
    service: Service, client: redis.Redis, moves: Moves
) -> None:
    grid = made(service, BODY)
    first = sheet_of(service, grid)
    tag = first.headers["etag"]
    for method in ("GET", "HEAD"):
        answer = service.http.request(method, grid["sheet_url"], headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert sheet_of(service, grid, **{"If-None-Match": "*"}).status_code == 304
    draw_next(service, client, moves)
    assert sheet_of(service, grid, **{"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("extension", "output_format"), [("png", "png"), ("jpeg", "jpeg"), ("jpg", "jpeg"), ("webp", "webp")]
)
def test_a_sheet_can_be_had_in_every_format(service: Service, extension: str, output_format: str) -> None:
    url = f"/grids/{made(service, BODY)['id']}/sheet.{extension}"
    head, get = service.http.head(url), service.http.get(url)
    assert (head.status_code, get.status_code, head.content) == (200, 200, b"")
    assert lasting(head) == lasting(get)
    assert get.headers["content-type"] == CONTENT_TYPES[output_format]  # type: ignore[index]
    assert get.headers["content-length"] == str(len(get.content))
    assert get.headers["cache-control"] == "private, no-cache"
    assert get.headers["x-content-type-options"] == "nosniff"
    assert (opened(get.content).format or "").lower() == output_format
    assert MADE_BY_AI.encode() in get.content


@pytest.mark.parametrize("name", ["sheet.gif", "sheet", "sheet.", "sheet.PNG", "0.png"])
def test_any_other_name_is_a_404(service: Service, name: str) -> None:
    assert service.http.get(f"/grids/{made(service, BODY)['id']}/{name}").status_code == 404


def test_a_picture_that_cannot_be_read_spoils_no_other(service: Service, client: redis.Redis, moves: Moves) -> None:
    grid = made(service, BODY)
    ids = [draw_next(service, client, moves) for _ in range(4)]
    first, second = (next((service.data_dir / "images" / each).iterdir()) for each in ids[:2])
    first.unlink()
    second.write_bytes(b"no picture")
    answer = sheet_of(service, grid)
    assert answer.status_code == 200
    assert len(corners(opened(answer.content), drawing(SIZE))) == 2


@pytest.mark.parametrize(
    "axis",
    [
        {
            "parameter": "prompt",
            "values": ["狐の絵 🦊", "лиса", "é\tè\n\nü", "\u202eשלום", "word " * 800, "x" * 4000, "　a"],
        },
        {"parameter": "negative_prompt", "values": [None, "", "  "]},
        {"parameter": "prompt_weighting", "values": [True, False]},
    ],
)
@pytest.mark.parametrize("name", ["x", "y"])
def test_whatever_a_label_says_the_sheet_can_be_drawn(service: Service, axis: dict[str, Any], name: str) -> None:
    shared = {"width": 64, "height": 64} | ({} if axis["parameter"] == "prompt" else {"prompt": "a"})
    seeds = {"parameter": "seed", "values": [1]}
    grid = made(service, {"parameters": shared, "x": seeds, "y": seeds} | {name: axis})
    assert sheet_of(service, grid).status_code == 200


def test_the_stub_worker_fills_a_grid_from_the_first_cell_to_the_last(service: Service, stub_worker: Any) -> None:  # noqa: ARG001
    parameters = {"width": 64, "height": 64, "num_images_per_prompt": 2}
    x = {"parameter": "prompt", "values": ["a", "steps 2"]}
    grid = made(service, {"parameters": parameters, "x": x, "y": {"parameter": "seed", "values": [100, 200]}})
    ended = service.http.get(f"/grids/{grid['id']}", params={"wait": 30}).json()
    assert (ended["status"], ended["counts"]["succeeded"], ended["progress"]) == ("ended", 4, 1)
    assert [cell["image"]["seed"] for cell in ended["cells"]] == [100, 100, 200, 200]
    for cell in ended["cells"]:
        job = service.http.get(f"/jobs/{cell['job_id']}").json()
        assert cell["image"] == job["images"][0]
        assert cell["timings"] == job["timings"]
    sheet = opened(service.http.get(ended["sheet_signed_url"]).content)
    # The stub's pictures are plain, their red the seed: that of the first image of each cell.
    for seed in (100, 200):
        assert len(corners(sheet, Image.new("RGB", SIZE, (seed, 0, 0)))) >= 2
    for seed in (101, 201):
        assert corners(sheet, Image.new("RGB", SIZE, (seed, 0, 0))) == []


def test_a_grid_of_which_nobody_has_drawn_anything_needs_no_store(service: Service, client: redis.Redis) -> None:
    grid = made(service, BODY)
    sheet_of(service, grid)
    assert client.exists(keys.GRID_PREFIX + grid["id"]) == 1
