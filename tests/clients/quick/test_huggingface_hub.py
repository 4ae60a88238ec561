"""huggingface_hub's InferenceClient, as it is pointed at an endpoint of one's own."""

from pathlib import Path

from tests.clients.conftest import Asked, picture
from tests.conftest import wait_until


def test_a_script_of_hugging_face_s_draws_here(asked: Asked, tmp_path: Path) -> None:
    told = asked.python("quick", "huggingface", tmp_path)
    assert picture(tmp_path / "fox.png") == ("PNG", (128, 64))
    assert told.pop("picture") == ["PNG", [128, 64]]
    assert (told.pop("named"), told.pop("webp"), told.pop("async")) == ("PNG", "WEBP", [128, 128])
    status, message = told.pop("out_of_bounds")
    assert (status, "/parameters/width: must be at most 256" in message) == (422, True)
    status, message = told.pop("no_key")
    assert (status, "This key is not in force." in message) == (401, True)
    assert told == {"hung_up": "InferenceTimeoutError"}
    wait_until(lambda: hung_up(asked) == ["canceled"])


def hung_up(asked: Asked) -> list[str]:
    return [job["status"] for job in asked.jobs() if job["parameters"]["seed"] == 4242]
