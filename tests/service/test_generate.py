import socket
from typing import Any

import pytest

from tests.service.conftest import Service

PROBLEM = "application/problem+json"


def test_a_request_is_accepted_with_its_place_and_its_job(service: Service) -> None:
    answer = service.http.post("/generate", json={"prompt": "a fox"})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert (job["status"], job["queue_position"], job["images"], job["error"]) == ("queued", 1, [], None)
    assert service.http.get(answer.headers["location"]).json() == job


def test_the_effective_parameters_are_shown_with_a_drawn_seed(service: Service) -> None:
    first, second = (service.submit()["parameters"] for _ in range(2))
    assert first["width"] == first["height"] == 128
    assert (first["model"], first["num_images_per_prompt"], first["output_format"]) == ("pocket", 1, "png")
    assert first["seed"] != second["seed"]


def test_what_a_job_shows_as_its_parameters_can_be_posted_again(service: Service) -> None:
    parameters = service.submit(negative_prompt="dark", output_format="webp")["parameters"]
    assert service.http.post("/generate", json=parameters).json()["parameters"] == parameters


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"prompt": "\\ud800"}', 400, "invalid_json"),
        (b'{"prompt": "\xff"}', 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"", 400, "invalid_json"),
        (b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", 400, "invalid_json"),
        (b"[" * 50_000, 400, "invalid_json"),
        (b'{"prompt": "a", "guidance_scale": NaN}', 422, "validation_failed"),
        (b'{"prompt": "a", "guidance_scale": 1e999}', 422, "validation_failed"),
        (b'{"prompt": "a", "\\ud800": 1}', 400, "invalid_json"),
        (b'{"prompt": "' + b"a" * 70_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem_document(
    service: Service, body: bytes, status: int, code: str
) -> None:
    answer = service.http.post("/generate", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    ("fields", "pointer", "limit"),
    [
        ({"width": 1024, "height": 64}, "/width", "256"),
        ({"width": 100}, "/width", "8"),
        ({"num_inference_steps": 0}, "/num_inference_steps", "1"),
        ({"num_inference_steps": 150}, "/num_inference_steps", "100"),
        ({"num_images_per_prompt": 9}, "/num_images_per_prompt", "8"),
        ({"guidance_scale": -1}, "/guidance_scale", "0"),
        ({"seed": 4294967295, "num_images_per_prompt": 2}, "/seed", "4294967294"),
        ({"scheduler": "Heun"}, "/scheduler", "DDIM, DDPM, Euler, Euler a, DPM++ 2M"),
        ({"scheduler": "Nonsense"}, "/scheduler", "DPM++ 2M"),
        ({"model": "other"}, "/model", "pocket"),
        ({"steps": 20}, "/steps", "not permitted"),
        ({"a/b~c": 1}, "/a~1b~0c", "not permitted"),
        ({"prompt": ""}, "/prompt", "blank"),
    ],
)
def test_a_field_that_cannot_be_taken_is_named_with_its_limit(
    service: Service, fields: dict[str, Any], pointer: str, limit: str
) -> None:
    answer = service.http.post("/generate", json={"prompt": "a fox"} | fields)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert limit in problem["errors"][0]["detail"]


def test_a_content_type_other_than_json_is_refused(service: Service) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = service.http.post("/generate", content=b'{"prompt": "a"}', headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_of_unstated_length_is_cut_off_at_the_limit(service: Service) -> None:
    answer = service.http.post(
        "/generate", content=(b"x" * 10_000 for _ in range(20)), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_what_is_no_http_gets_no_traceback(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.http.base_url.port or 0)) as connection:
        connection.sendall(b"\x00\x01\x02\r\n\r\n")
        assert b"Traceback" not in connection.recv(4096)
    assert service.http.get("/livez").status_code == 200
