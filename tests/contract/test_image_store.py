import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from contract.errors import StoreError
from contract.image_store import local_image_store


def test_what_is_put_is_got(tmp_path: Path) -> None:
    store = local_image_store(tmp_path / "images")
    store.put("job/0.png", b"old")
    store.put("job/0.png", b"new")
    assert asyncio.run(store.get("job/0.png")) == b"new"
    assert asyncio.run(store.get("job/1.png")) is None


def test_a_part_of_what_is_put_is_got(tmp_path: Path) -> None:
    store = local_image_store(tmp_path)
    store.put("job/0.png", b"0123456789")
    assert asyncio.run(store.get_range("job/0.png", 2, 5)) == b"234"
    assert asyncio.run(store.get_range("job/0.png", 0, 10)) == b"0123456789"
    assert asyncio.run(store.get_range("job/1.png", 0, 1)) is None


@pytest.mark.parametrize(("start", "end"), [(5, 11), (10, 11), (20, 30), (3, 3), (4, 2)])
def test_a_part_that_is_not_there_is_an_error(tmp_path: Path, start: int, end: int) -> None:
    store = local_image_store(tmp_path)
    store.put("job/0.png", b"0123456789")
    with pytest.raises(StoreError):
        asyncio.run(store.get_range("job/0.png", start, end))


def test_removing_a_folder_leaves_the_others(tmp_path: Path) -> None:
    store = local_image_store(tmp_path)
    for key in ("a/0.png", "a/1.png", "ab/0.png"):
        store.put(key, b"x")
    asyncio.run(store.remove_all("a"))
    asyncio.run(store.remove_all("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["ab"]


def test_nothing_is_left_behind_by_a_put_that_found_no_room(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from contract.image_store import local_image_store\n"
        "store = local_image_store(Path(sys.argv[1]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "store.put('job/0.png', b'x' * 2000)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "contract.errors.StoreFull" in done.stderr
    assert asyncio.run(local_image_store(tmp_path).get("job/0.png")) is None


def test_a_put_that_fails_for_another_reason_is_not_taken_for_a_full_store(tmp_path: Path) -> None:
    folder = tmp_path / "(os error 28)"
    store = local_image_store(folder)
    (folder / "job").write_text("in the way")
    with pytest.raises(StoreError) as raised:
        store.put("job/0.png", b"x")
    assert raised.type is StoreError


def test_every_object_is_listed_in_chunks_that_stay_small(tmp_path: Path) -> None:
    store = local_image_store(tmp_path)
    names = {f"{number % 7}/{number}.png" for number in range(450)}
    for name in names:
        store.put(name, b"x")

    async def chunks() -> list[list[str]]:
        return [chunk async for chunk in store.walk()]

    listed = asyncio.run(chunks())
    assert sorted(key for chunk in listed for key in chunk) == sorted(names)
    assert max(map(len, listed)) <= 200


def test_objects_are_removed_although_one_of_them_is_gone(tmp_path: Path) -> None:
    store = local_image_store(tmp_path)
    names = [f"{number}/0.png" for number in range(50)]
    for name in names[1:]:
        store.put(name, b"x")
    asyncio.run(store.remove(names))
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        local_image_store(tmp_path / "file")
