"""webuiapi, the Python client of AUTOMATIC1111's API."""

from pathlib import Path

import httpx
from PIL import Image

from tests.clients.conftest import Asked


def test_webuiapi(asked: Asked, tmp_path: Path) -> None:
    told = asked.python("quick", "webuiapi_client", tmp_path)
    assert (told["models"], told["model"], told["schedulers"]) == (["pocket"], "pocket", ["automatic"])
    assert "Euler a" in told["samplers"]
    assert "watercolor" in told["styles"]
    assert told["sizes"] == [[96, 64]] * 4
    info = told["info"]
    assert (info["all_seeds"], info["sampler_name"], info["negative_prompt"]) == ([42, 43, 44, 45], "DDIM", "ugly")
    with Image.open(tmp_path / "1.png") as image:
        assert image.getextrema() != ((0, 0),) * 3
    assert (told["read"]["info"], told["read"]["parameters"]["Seed"]) == (info["infotexts"][1], "43")
    state = told["progress"]["state"]
    assert (state["job_count"], state["sampling_steps"], told["interrupted"]) == (1, 100, [0])
    assert told["interrogate"] == 404
    status, text = told["stranger"]
    assert (status, httpx.Response(status, text=text).json()["detail"][:15]) == (401, "A key is needed")
    statuses = [job["status"] for job in asked.jobs() if job["labels"].get("dialect") == "a1111"]
    assert statuses == ["canceled", "succeeded"]
