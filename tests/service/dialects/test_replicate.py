"""Predictions over HTTP: jobs of the native API, as Replicate's clients ask for them and read them."""

import base64
import io
import re
from typing import Any

import httpx
import pytest
import redis
from httpx_sse import ServerSentEvent, connect_sse
from PIL import Image

from contract import keys
from contract.errors import Refusal
from contract.job import stored_images
from contract.model import Model
from contract.model_catalog import read_model_catalog
from service.dialects.refused_fields import refused_as
from service.dialects.replicate.prediction import model_name, progress_line
from service.dialects.replicate.prediction_request import PredictionRequest, find_model, job_request, their_pointer
from service.errors import PromptRefused, ValidationFailed
from tests.conftest import ROOT
from tests.service.conftest import Service
from tests.service.moves import Moves
from tests.service.pictures import keep

CATALOG = read_model_catalog(ROOT / "models.toml")
POCKET = CATALOG.default
MODEL = "/v1/models/darkroom/pocket/predictions"
PROGRESS = re.compile(r"^\s*(?P<percentage>\d+)%\s*\|.+?\|\s*(?P<current>\d+)\/(?P<total>\d+)", re.MULTILINE)
"""As their client for Python has it."""


def create(service: Service, prompt: str = "a fox", prefer: str | None = None, **given: Any) -> dict[str, Any]:
    headers = {} if prefer is None else {"Prefer": prefer}
    answer = service.http.post(MODEL, json={"input": {"prompt": prompt} | given}, headers=headers)
    assert answer.status_code == 201, answer.text
    prediction: dict[str, Any] = answer.json()
    return prediction


def prediction_of(service: Service, job_id: str) -> dict[str, Any]:
    prediction: dict[str, Any] = service.http.get(f"/v1/predictions/{job_id}").json()
    return prediction


def streamed(url: str, last_event_id: str = "") -> list[ServerSentEvent]:
    with (
        httpx.Client(trust_env=False) as http,
        connect_sse(http, "GET", url, headers={"Last-Event-ID": last_event_id}) as source,
    ):
        return [event for event in source.iter_sse() if event.data]


def parameters_of(given: dict[str, Any], model: Model = POCKET) -> dict[str, Any]:
    asked = job_request(PredictionRequest(input={"prompt": "a"} | given), model, "")
    return asked.model_dump(exclude_none=True, exclude={"labels", "prompt", "model"}, exclude_defaults=True)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"num_outputs": 4, "seed": None, "image": "data:", "output_quality": 80}, {"num_images_per_prompt": 4}),
        (dict.fromkeys(("num_outputs", "output_format", "size", "aspect_ratio", "webhook")), {}),
        ({"num_outputs": 4, "num_images_per_prompt": 2}, {"num_images_per_prompt": 2}),
        ({"scheduler": "K_EULER_ANCESTRAL"}, {"scheduler": "Euler a"}),
        ({"scheduler": "DDIM", "output_format": "jpg"}, {"scheduler": "DDIM", "output_format": "jpeg"}),
        ({"size": "64x128", "aspect_ratio": "1:1"}, {"width": 64, "height": 128}),
        ({"aspect_ratio": "16:9"}, {"width": 168, "height": 96}),
        ({"aspect_ratio": "1:1"}, {"width": 128, "height": 128}),
        ({"aspect_ratio": "100:1"}, {"width": 256, "height": 64}),
        ({"aspect_ratio": "custom", "width": 64}, {"width": 64}),
        ({"webhook": "https://elsewhere.example", "exclusive": True, "labels": {}, "model": "x"}, {}),
    ],
)
def test_an_input_is_a_job_s_parameters(given: dict[str, Any], taken: dict[str, Any]) -> None:
    assert parameters_of(given) == taken


@pytest.mark.parametrize("ratio", ["21:9", "9:21", "3:2", "4:5", "1:2"])
def test_an_aspect_ratio_keeps_to_the_size_that_a_model_draws_by_itself(ratio: str) -> None:
    for model in CATALOG.models.values():
        sides = parameters_of({"aspect_ratio": ratio}, model)
        asked, whole = (int(part) for part in ratio.split(":"))
        assert 0.8 < sides["width"] * sides["height"] / (model.defaults.width * model.defaults.height) <= 1
        assert sides["width"] / sides["height"] == pytest.approx(asked / whole, rel=0.1)
        model.complete(job_request(PredictionRequest(input={"prompt": "a", "aspect_ratio": ratio}), model, ""), 0)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"num_outputs": 17}, "/input/num_outputs"),
        ({"num_outputs": "2"}, "/input/num_outputs"),
        ({"size": "large"}, "/input/size"),
        ({"aspect_ratio": 5}, "/input/aspect_ratio"),
        ({"scheduler": 5}, "/input/scheduler"),
        ({"prompt": ""}, "/input/prompt"),
        ({"prompt": None}, "/input/prompt"),
    ],
)
def test_a_refusal_names_the_input(given: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parameters_of(given)
    assert [refusal.pointer for refusal in refused.value.refusals] == [pointer]


def test_a_refused_prompt_is_told_as_one() -> None:
    with pytest.raises(PromptRefused) as refused, refused_as(their_pointer):
        raise PromptRefused([Refusal("/prompt", "must not ask for that")])
    assert refused.value.refusals == [Refusal("/input/prompt", "must not ask for that")]


def test_a_model_is_found_by_all_of_its_names() -> None:
    for name in ("pocket", "darkroom/pocket", "anybody/pocket", "darkroom/pocket:whatever", "pocket:1"):
        assert find_model(CATALOG, name) == "pocket"
    for name in ("", "darkroom", "pocket/darkroom", "39ed52f2", "a/b/pocket"):
        assert find_model(CATALOG, name) is None
    assert (model_name("pocket"), model_name("acme/hippo")) == ("darkroom/pocket", "acme/hippo")


@pytest.mark.parametrize(("step", "total", "percent"), [(1, 3, 33), (8, 20, 40), (20, 20, 100), (1, 200, 0)])
def test_progress_reads_as_tqdm_s(step: int, total: int, percent: int) -> None:
    found = PROGRESS.fullmatch(progress_line(step, total).rstrip("\n"))
    assert found
    assert [int(each) for each in found.groups()] == [percent, step, total]


@pytest.mark.usefixtures("stub_worker")
def test_whoever_waits_gets_the_pictures(service: Service) -> None:
    prediction = create(service, prefer="wait", num_outputs=2, seed=7, output_format="webp", num_inference_steps=3)
    assert (prediction["status"], prediction["error"], prediction["completed_at"] is None) == ("succeeded", None, False)
    assert prediction["metrics"].keys() == {"predict_time", "total_time"}
    for url in prediction["output"]:  # over http no address, of which their clients make no file
        head, _, content = url.partition(",")
        assert head == "data:image/webp;base64"
        assert Image.open(io.BytesIO(base64.b64decode(content))).format == "WEBP"
    # The same input gives the same pictures, as an input and as a native request.
    assert create(service, prefer="wait=20", **prediction["input"])["output"] == prediction["output"]
    job = service.http.get(f"/jobs/{prediction['id']}").json()
    assert job["labels"] == {"dialect": "replicate"}
    assert prediction["input"]["num_outputs"] == job["parameters"]["num_images_per_prompt"] == 2


@pytest.mark.usefixtures("stub_worker")
def test_a_wait_that_runs_out_is_told_as_starting(service: Service) -> None:
    """Their clients take any other status for an end."""
    prediction = create(service, "steps 60", prefer="wait=1")
    assert prediction["status"] == "starting"
    assert prediction["logs"]  # it is under way all the same
    assert prediction_of(service, prediction["id"])["status"] == "processing"
    canceled = service.http.post(prediction["urls"]["cancel"]).json()
    assert (canceled["status"], canceled["output"]) == ("canceled", None)
    assert streamed(canceled["urls"]["stream"])[-1].data == '{"reason": "canceled"}'


@pytest.mark.usefixtures("stub_worker")
def test_a_job_that_failed_says_why(service: Service) -> None:
    prediction = create(service, "fail", prefer="wait")
    assert prediction["status"] == "failed"
    assert prediction["error"].startswith("generation_failed: ")
    *_, error, done = streamed(prediction["urls"]["stream"])
    assert (error.event, error.data, done.event) == ("error", prediction["error"], "done")
    assert error.id == f"{done.id}:0"  # their clients drop what has none


def test_every_job_of_the_owner_is_a_prediction(service: Service, client: redis.Redis, moves: Moves) -> None:
    drawn = keep(service, client).job_id
    queued = service.submit()["id"]
    running = moves.claim()
    moves.progress(running, 2, 20)
    service.http.post(f"/jobs/{service.submit()['id']}/cancel")
    page = service.http.get("/v1/predictions").json()
    told = [(each["id"], each["status"]) for each in page["results"]]
    assert told[1:] == [(queued, "processing"), (drawn, "succeeded")]
    assert [each["status"] for each in page["results"]] == ["canceled", "processing", "succeeded"]
    assert (page["next"], page["previous"]) == (None, None)
    assert PROGRESS.findall(page["results"][1]["logs"])[-1] == ("10", "2", "20")
    [url] = page["results"][2]["output"]
    assert url.startswith(f"{service.url}/images/{drawn}/0.png?")
    assert service.http.get(url).status_code == 200


def test_a_list_goes_on_where_next_says(service: Service) -> None:
    ids = [service.submit()["id"] for _ in range(103)]
    first = service.http.get("/v1/predictions").json()
    second = service.http.get(first["next"]).json()
    assert [each["id"] for page in (first, second) for each in page["results"]] == ids[::-1]
    assert (len(first["results"]), second["next"]) == (100, None)


def test_a_stream_tells_what_their_clients_know(service: Service, client: redis.Redis) -> None:
    moves = Moves(client)
    job_id = service.submit()["id"]
    moves.claim()
    moves.progress(job_id, 5, 20)
    moves.progress(job_id, 20, 20)
    stream = prediction_of(service, job_id)["urls"]["stream"]
    assert "signature=" in stream  # their client for JavaScript shows no key there
    moves.finish(job_id)
    events = streamed(stream)
    assert [(event.event, event.id) for event in events] == [("logs", "3"), ("logs", "4"), ("done", "5")]
    assert PROGRESS.match(events[0].data)
    assert [event.id for event in streamed(stream, "3")] == ["4", "5"]
    assert [event.id for event in streamed(stream, "5:0")] == ["5"]
    assert service.http.get(stream, headers={"Last-Event-ID": "5"}).status_code == 204
    assert service.http.get(stream, headers={"Last-Event-ID": "x"}).status_code == 422


def test_pictures_that_are_not_there_or_too_large_are_told_by_their_addresses(
    service: Service, client: redis.Redis
) -> None:
    lost, large = keep(service, client), keep(service, client)
    whole = prediction_of(service, lost.job_id)
    assert whole["output"][0].startswith("data:image/png;")
    lost.file.unlink()
    for size, start in [(16 * 1024**2, "data:"), (16 * 1024**2 + 1, service.url)]:
        stored = stored_images.validate_json(client.hget(keys.JOB_PREFIX + large.job_id, "images"))
        told = stored_images.dump_json([stored[0].model_copy(update={"size_bytes": size})])
        client.hset(keys.JOB_PREFIX + large.job_id, "images", told)
        assert prediction_of(service, large.job_id)["output"][0].startswith(start)
    unreadable = keep(service, client)
    unreadable.file.unlink()
    unreadable.file.symlink_to(unreadable.file)  # a link that leads to itself
    for picture in (lost, unreadable, large):
        prediction = prediction_of(service, picture.job_id)
        assert prediction["output"][0].startswith(f"{service.url}{picture.url}?expires=")
        assert streamed(prediction["urls"]["stream"])[0].data == prediction["output"][0]
    assert prediction_of(service, lost.job_id) | {"output": None} == whole | {"output": None}
    unreadable.file.unlink()


def test_the_signed_stream_of_a_prediction_that_is_no_longer_kept_says_so(
    service: Service, client: redis.Redis
) -> None:
    job_id = keep(service, client).job_id
    stream = prediction_of(service, job_id)["urls"]["stream"]
    client.delete(keys.JOB_PREFIX + job_id)
    assert service.http.get(stream).json()["code"] == "job_not_found"
    client.set(keys.TOMBSTONE_PREFIX + job_id, "anonymous")
    assert service.http.get(stream).json()["code"] == "job_expired"


def test_a_version_is_named_as_its_model(service: Service) -> None:
    version = service.http.get("/v1/models/darkroom/pocket/versions/pocket").json()
    assert version["id"] == "pocket"
    slashes = service.http.get("/v1/models/acme/hippo/versions/acme/hippo").json()
    assert slashes["detail"] == "There is no such model; there are pocket."
    for body in ({"version": "pocket"}, {"version": "darkroom/pocket:1"}, {}):
        answer = service.http.post("/v1/predictions", json=body | {"input": {"prompt": "a"}})
        assert (answer.status_code, answer.json()["version"]) == (201, "pocket")
        assert answer.headers["location"] == f"/v1/predictions/{answer.json()['id']}"


def test_errors_are_problems_in_their_clients_words(service: Service) -> None:
    fox = {"prompt": "a fox"}
    for method, path, body, status, pointers in [
        ("POST", "/v1/models/darkroom/nothing/predictions", {"input": fox}, 404, None),
        ("GET", "/v1/models/darkroom/pocket/versions/2", None, 404, None),
        ("POST", "/v1/predictions", {"version": "secret", "input": fox}, 422, ["/version"]),
        ("POST", "/v1/predictions", {"version": 3}, 422, ["/version"]),
        ("POST", MODEL, {"input": fox | {"seed": "secret"}}, 422, ["/input/seed"]),
        ("POST", MODEL, {"input": fox | {"num_outputs": 16}}, 422, ["/input/num_outputs"]),
        ("POST", MODEL, {"input": "secret"}, 422, ["/input"]),
        ("POST", MODEL, {"input": fox, "webhook": "https://secret host"}, 422, ["/webhook"]),
        ("POST", MODEL, {"input": fox, "webhook": "https://10.0.0.1/"}, 422, ["/webhook"]),
        ("POST", MODEL, {"input": fox, "webhook_events_filter": ["secret"]}, 422, ["/webhook_events_filter/0"]),
        ("GET", "/v1/predictions/nothing", None, 404, None),
        ("POST", f"/v1/predictions/{'0' * 32}/cancel", None, 404, None),
        ("GET", f"/v1/predictions/{'0' * 32}/stream", None, 404, None),
        ("GET", "/v1/predictions?cursor=secret", None, 422, ["/cursor"]),
    ]:
        answer = service.http.request(method, path, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
        problem = answer.json()
        assert problem["status"] == status
        assert pointers is None or [each["pointer"] for each in problem["errors"]] == pointers, problem
        assert "secret" not in answer.text
    assert service.http.get("/jobs").json()["jobs"] == []
