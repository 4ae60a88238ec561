"""sd-backend-client: strict models of every answer of AUTOMATIC1111's API."""

from pathlib import Path

from PIL import Image

from tests.clients.conftest import Asked


def test_sd_backend_client(asked: Asked, tmp_path: Path) -> None:
    told = asked.python("a1111", "sd_backend_client_client", tmp_path)
    assert (told["checkpoints"], told["model"]) == (["pocket"], "pocket")
    assert {"ddim", "euler_ancestral", "dpmpp_2m"} <= set(told["samplers"])
    assert told["schedulers"] == ["automatic"]
    assert not any(told["nothing"])
    assert not told["capabilities"]["interrogate"]
    assert told["capabilities"]["scheduler"]
    assert told["styles"] > 10
    assert (told["seeds"], told["sizes"]) == ([7, 8, 9], [[128, 64]] * 3)
    assert told["info"]["sampler_name"] == "DPM++ 2M"
    with Image.open(tmp_path / "2.png") as image:
        assert image.size == (128, 64)
    assert 0 < told["progress"] < 1
    assert told["preview"][0] > 0
    assert (told["cancel"], told["ended"]) == (True, "cancelled")
    mine = [job for job in asked.jobs() if job["labels"].get("dialect") == "a1111"][:3]
    assert [job["status"] for job in mine] == ["canceled", "canceled", "succeeded"]
