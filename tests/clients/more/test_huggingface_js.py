"""@huggingface/inference, as it is pointed at an endpoint of one's own."""

from pathlib import Path

from tests.clients.conftest import Asked, picture
from tests.conftest import wait_until


def test_a_script_of_hugging_face_s_draws_here(asked: Asked, tmp_path: Path) -> None:
    told = asked.node("huggingface", tmp_path)
    assert picture(tmp_path / "fox") == ("PNG", (128, 64))
    assert told.pop("blob")[0] == "image/png"
    assert told.pop("data_url") == "data:image/jpeg"  # whatever it is: the client does not look
    for name, status, said in [
        ("out_of_bounds", 422, "/parameters/width: must be at most 256"),
        ("unknown_model", 404, "There is no such model; there are pocket."),
        ("no_key", 401, "This key is not in force."),
    ]:
        error, code, message = told.pop(name)
        assert (error, code, said in message) == ("ProviderApiError", status, True)
    assert told == {"hung_up": "AbortError"}
    wait_until(lambda: {job["status"] for job in asked.jobs() if job["parameters"]["seed"] == 4242} == {"canceled"})
