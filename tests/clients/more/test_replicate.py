"""Replicate's clients for Python and JavaScript, and the AI SDK's provider for Replicate."""

from pathlib import Path

from tests.clients.conftest import Asked, picture

NO_MODEL = "There is no such model; there are pocket."


def test_a_script_for_replicate_python_runs_here(asked: Asked, tmp_path: Path) -> None:
    told = asked.python("replicate", "replicate_client", tmp_path)
    assert [picture(tmp_path / f"{number}.webp")[0] for number in range(2)] == ["WEBP", "WEBP"]
    assert told.pop("files") == ["FileOutput", "FileOutput"]
    assert min(told.pop("of_version"), told.pop("after_polling")) > 1000
    assert (told.pop("created"), told.pop("ended"), told.pop("again")) == ("starting", "succeeded", True)
    assert told.pop("progress") == [4, 4, 1.0]
    assert told.pop("metrics") == ["predict_time", "total_time"]
    assert told.pop("canceled") == "canceled"
    assert {"output", "done"} <= set(told.pop("stream"))
    assert (told.pop("stream_output"), told.pop("last")) == (["FileOutput"], ["done", "{}"])
    assert told.pop("pages")[0] > 5
    size, status, count = told.pop("async")
    assert (size > 1000, status, count > 7) == (True, "succeeded", True)
    assert told.pop("unknown_model") == [404, NO_MODEL]
    assert told.pop("unknown_version") == [422, "/version: must be one of pocket"]
    status, detail = told.pop("out_of_bounds")
    assert (status, detail.startswith("/input/width: must be at most 256")) == (422, True)
    assert told.pop("no_key") == [401, "This key is not in force."]
    assert (told.pop("forged"), told.pop("webhooks")) == ("InvalidSignatureError", [True, True])
    assert "succeeded" in told.pop("webhook_statuses")
    assert told == {}


def test_a_script_for_replicate_javascript_runs_here(asked: Asked, tmp_path: Path) -> None:
    told = asked.node("replicate_client", tmp_path)
    assert [picture(tmp_path / f"{number}.png")[1] for number in range(2)] == [(128, 128)] * 2
    assert [content_type for content_type, _ in told.pop("files")] == ["image/png"] * 2
    assert (told.pop("of_version"), told.pop("polled")) == (1, 1)
    assert (told.pop("first_seen"), told.pop("last_seen")) == ("starting", ["succeeded", 1])
    assert told.pop("aborted") == ["canceled", None]
    assert (told.pop("created"), told.pop("waited")) == ("starting", "succeeded")
    assert (told.pop("webhook"), told.pop("forged")) == ([True, "succeeded"], False)
    assert told.pop("stream") == ["logs", "output", "done"]
    assert told.pop("pages")[0] > 5
    for name, status, said in [
        ("unknown_model", 404, NO_MODEL),
        ("out_of_bounds", 422, "/input/num_inference_steps: "),
        ("no_key", 401, "This key is not in force."),
    ]:
        error, code, message = told.pop(name)
        assert (error, code, said in message) == ("ApiError", status, True)
    assert told == {}


def test_the_ai_sdk_s_provider_for_replicate_draws_here(asked: Asked, tmp_path: Path) -> None:
    told = asked.node("ai_replicate", tmp_path)
    assert told.pop("several") == [["image/png", True]] * 2
    assert told.pop("wide") == "image/jpeg"
    status, message = told.pop("refused")
    assert (status, "/input/width: must be at most 256" in message) == (422, True)
    assert told == {}
    sizes = {(job["parameters"]["width"], job["parameters"]["height"]) for job in asked.jobs()[:3]}
    assert sizes == {(64, 128), (168, 96)}
