"""Several models behind one service: swaps in the line's order, and one that does not fit on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.integration.conftest import Serve, start_serve, stop_serve
from tests.random_models import write_model

POCKET = (ROOT / "models.toml").read_text().split("# More models", 1)[0]
LIMIT_BYTES = 2 * 1024**3


def entry(model_id: str, folder: Path) -> str:
    text = POCKET.replace('id = "pocket"', f'id = "{model_id}"')
    return text.replace('source = "models/pocket"', f'source = "{folder}"')


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """With the bundled model twice, an SDXL of which only the size is real, and a PixArt of which only the kind is."""
    folder = tmp_path_factory.mktemp("models")
    pocket = ROOT / "models" / "pocket"
    sdxl = write_model(folder / "sdxl", "sdxl", "full", "sparse")
    catalog = folder / "models.toml"
    pixart = entry("pixart", write_model(folder / "pixart", "pixart-sigma", "tiny", "random"))
    pixart = pixart.replace("prompt_weighting = true\n", "").replace("clip_skip = 1\n", "")
    catalog.write_text(entry("pocket", pocket) + entry("twin", pocket) + entry("sdxl", sdxl) + pixart)
    serve = start_serve(
        folder / "data", DARKROOM_MODELS=str(catalog), DARKROOM_DEVICE_MEMORY_LIMIT_BYTES=str(LIMIT_BYTES)
    ).until_ready()
    yield serve
    stop_serve(serve)


def offered(serve: Serve) -> dict[str, dict[str, object]]:
    return {model["id"]: model for model in serve.http.get("/models").json()["models"]}


def test_a_model_that_does_not_fit_is_refused_with_what_is_missing_and_the_next_job_runs(models: Serve) -> None:
    sdxl = offered(models)["sdxl"]
    assert (sdxl["state"], sdxl["can_run"], sdxl["rung"]) == ("cold", False, None)
    assert sdxl["size_bytes"] == pytest.approx(4 * 3469e6, rel=0.01)
    assert "GiB are missing" in str(sdxl["reason"])
    refused, drawn = models.submit(model="sdxl"), models.submit(num_inference_steps=2)
    job = models.job(refused, wait=60)
    assert (job["status"], job["error"]["code"], job["attempts"]) == ("failed", "out_of_memory", 1)
    assert "Not tried: one image of 128x128 pixels needs 12." in job["error"]["detail"]
    assert "GiB are missing" in job["error"]["detail"]
    assert models.end_of(drawn)["attempts"] == 1


def test_jobs_for_several_models_are_drawn_in_the_order_of_the_line(models: Serve) -> None:
    names = ["pocket", "twin", "pocket", "twin", "twin", "pocket"]
    # Exclusive: others go along with the first of their kind.
    job_ids = [models.submit(model=name, num_inference_steps=2, seed=3, exclusive=True) for name in names]
    jobs = [models.end_of(job_id) for job_id in job_ids]
    assert [job["parameters"]["model"] for job in jobs] == names
    assert sorted(jobs, key=lambda job: job["started_at"]) == jobs
    states = offered(models)
    assert {name: states[name]["state"] for name in ("pocket", "twin")} == {"pocket": "warm", "twin": "warm"}
    assert all(float(str(states[name]["mean_seconds_per_image"])) > 0 for name in ("pocket", "twin"))


def test_a_job_tells_which_words_its_model_did_not_read_and_the_model_what_it_cannot_do(models: Serve) -> None:
    job = models.end_of(models.submit(model="pixart", prompt="fox " * 100 + "cat", num_inference_steps=1))
    (warning,) = job["warnings"]
    assert warning["code"] == "prompt_truncated"
    assert warning["detail"].endswith("fox cat")
    refused = models.http.post("/generate", json={"prompt": "a", "model": "pixart", "prompt_weighting": True})
    assert refused.json()["errors"] == [
        {"pointer": "/prompt_weighting", "detail": "is not possible with model 'pixart': leave it out"}
    ]


def test_no_worker_is_lost_over_it(models: Serve) -> None:
    assert "restarting" not in models.log.read_text()
