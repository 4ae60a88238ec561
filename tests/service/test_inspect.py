"""What a running service writes into its files, and what it reads from them again."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sd_prompt_reader.image_data_reader import ImageDataReader

from contract.image_file import CONTENT_TYPES
from contract.parameters import OutputFormat
from contract.provenance import MADE_BY_AI
from tests.conftest import end, start_stub, wait_until
from tests.metadata_readers import read_with_exiftool, read_with_sd_parsers
from tests.service.conftest import Service, start_service, stop_service
from tests.service.pictures import opened

FORMATS = list(CONTENT_TYPES)
ASKED: dict[str, Any] = {
    "prompt": 'ein Füchslein, "狐 🦊"\n<b> & \\',
    "negative_prompt": "grau, Öl: nein",
    "width": 64,
    "height": 72,
    "num_inference_steps": 7,
    "guidance_scale": 3.5,
    "num_images_per_prompt": 2,
    "seed": 41,
    "scheduler": "Euler a",
}


def draw(service: Service, **changes: Any) -> dict[str, Any]:
    job: dict[str, Any] = service.submit(**(ASKED | changes))

    def ended() -> dict[str, Any]:
        answer: dict[str, Any] = service.http.get(f"/jobs/{job['id']}", params={"wait": 10}).json()
        assert answer["status"] in ("queued", "running", "succeeded"), answer
        return answer if answer["status"] == "succeeded" else {}

    drawn: dict[str, Any] = wait_until(ended, 30)
    return drawn


def inspect(service: Service, content: bytes, content_type: str = "application/octet-stream") -> Any:
    answer = service.http.post("/inspect", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("stub_worker")
@pytest.mark.parametrize("output_format", FORMATS)
def test_other_tools_read_from_a_file_what_the_job_says(
    service: Service, tmp_path: Path, output_format: OutputFormat
) -> None:
    job = draw(service, output_format=output_format)
    image = job["images"][1]
    file = tmp_path / f"image.{output_format}"
    file.write_bytes(service.http.get(image["url"]).content)

    (sampler,) = read_with_sd_parsers(file).samplers
    assert ([str(each) for each in sampler.prompts], [str(each) for each in sampler.negative_prompts]) == (
        [ASKED["prompt"]],
        [ASKED["negative_prompt"]],
    )
    assert (sampler.name, str(sampler.model)) == ("Euler a", "pocket")
    assert sampler.parameters == {"scheduler": "Automatic", "cfg_scale": "3.5", "seed": "42", "steps": "7"}

    reader = ImageDataReader(file)
    assert (reader.positive, reader.negative) == (ASKED["prompt"], ASKED["negative_prompt"])
    assert reader.parameter == {
        "model": "pocket",
        "sampler": "Euler a",
        "seed": str(image["seed"]),
        "cfg": "3.5",
        "steps": "7",
        "size": "64x72",
    }

    tags = read_with_exiftool(file)
    text = tags["PNG:Parameters"] if output_format == "png" else tags["ExifIFD:UserComment"]
    assert text.startswith(
        f"{ASKED['prompt']}\nNegative prompt: {ASKED['negative_prompt']}\nSteps: 7, Sampler: Euler a, "
    )
    assert tags["XMP-iptcExt:DigitalSourceType"] == MADE_BY_AI
    assert tags["XMP-iptcExt:AIPromptInformation"] == ASKED["prompt"]


@pytest.mark.usefixtures("stub_worker")
@pytest.mark.parametrize("output_format", FORMATS)
def test_a_file_gives_the_whole_job_and_its_own_place_in_it(service: Service, output_format: OutputFormat) -> None:
    job = draw(service, output_format=output_format)
    for image in job["images"]:
        content = service.http.get(image["url"]).content
        inspection = inspect(service, content, image["content_type"])
        text = inspection.pop("text")
        assert text.startswith(ASKED["prompt"])
        assert inspection == {
            "parameters": job["parameters"],
            "index": image["index"],
            "seed": image["seed"],
            "software": "Darkroom",
            "model": "pocket",
            "marked_as_ai": True,
            "width": 64,
            "height": 72,
            "content_type": CONTENT_TYPES[output_format],
            "unmapped": [],
        }
        again = service.http.get(
            f"/jobs/{service.submit(**inspection['parameters'])['id']}", params={"wait": 20}
        ).json()
        assert again["images"][image["index"]]["sha256"] == image["sha256"]


@pytest.mark.usefixtures("stub_worker")
def test_a_variant_gives_the_job_that_would_have_stored_it(service: Service) -> None:
    job = draw(service, output_format="png")
    url = job["images"][1]["url"].removesuffix(".png")
    webp = service.http.get(f"{url}.webp").content
    assert inspect(service, webp)["parameters"] == job["parameters"] | {"output_format": "webp"}
    drawn = draw(service, output_format="webp")
    assert service.http.get(drawn["images"][1]["url"]).content == webp


@pytest.mark.usefixtures("stub_worker")
def test_a_file_without_parameters_still_says_that_an_ai_made_it(service: Service) -> None:
    job = draw(service, embed_parameters=False)
    content = service.http.get(job["images"][0]["url"]).content
    answer = service.http.post("/inspect", content=content, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_parameters_found")
    assert "marked as made by an AI" in answer.json()["detail"]


@pytest.fixture
def unmarking_worker(service: Service, redis_url: str) -> Iterator[None]:
    process = start_stub(redis_url, service.data_dir, DARKROOM_MARK_AI="false")
    yield
    end(process)


@pytest.mark.usefixtures("unmarking_worker")
def test_the_mark_can_be_left_out(service: Service) -> None:
    content = service.http.get(draw(service)["images"][0]["url"]).content
    assert inspect(service, content)["marked_as_ai"] is False
    content = service.http.get(draw(service, embed_parameters=False)["images"][0]["url"]).content
    assert set(opened(content).info) == set()


def test_the_setting_says_what_a_request_leaves_open(redis_url: str, tmp_path: Path) -> None:
    private = start_service(redis_url, tmp_path, DARKROOM_EMBED_PARAMETERS="false")
    try:
        assert private.submit()["parameters"]["embed_parameters"] is False
        assert private.submit(embed_parameters=True)["parameters"]["embed_parameters"] is True
    finally:
        stop_service(private)


def test_a_request_may_say_otherwise(service: Service) -> None:
    assert service.submit()["parameters"]["embed_parameters"] is True
    assert service.submit(embed_parameters=False)["parameters"]["embed_parameters"] is False


def plain(file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, file_format)
    return buffer.getvalue()


@pytest.mark.parametrize("output_format", FORMATS)
def test_an_image_that_says_nothing_is_told_so(service: Service, output_format: OutputFormat) -> None:
    headers = {"Content-Type": CONTENT_TYPES[output_format]}
    answer = service.http.post("/inspect", content=plain(output_format), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_parameters_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"RIFF\0\0\0\0WEBP", b"\xff\xd8\xff", plain("GIF"), plain("BMP")]
)
def test_what_is_no_image_is_refused(service: Service, content: bytes) -> None:
    answer = service.http.post("/inspect", content=content, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_an_image")


@pytest.mark.parametrize("content_type", ["image/gif", "application/json", "multipart/form-data; boundary=x", ""])
def test_another_content_type_is_refused(service: Service, content_type: str) -> None:
    answer = service.http.post("/inspect", content=plain("PNG"), headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_an_image_above_the_limit_is_cut_off_of_stated_length_and_not(service: Service) -> None:
    part = bytes(1024 * 1024)
    for content in (part * 33, (part for _ in range(33))):
        answer = service.http.post("/inspect", content=content, headers={"Content-Type": "image/png"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    largest = plain("PNG") + part * 31
    answer = service.http.post("/inspect", content=largest, headers={"Content-Type": "image/png"})
    assert answer.json()["code"] == "no_parameters_found"
