"""GET /metrics, over HTTP: what it counts, and what no request can make of it."""

import signal
import subprocess
from pathlib import Path

import httpx
import pytest
import redis
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from contract import keys
from darkroom import valkey
from service.metrics.process_metrics import ProcessMetrics
from tests.conftest import end, start_valkey
from tests.exposition import Exposition, read, scrape
from tests.service.conftest import Service, start_service, stop_service
from tests.service.event_stream import Connect
from tests.service.moves import Moves

SHARED = ("darkroom_jobs_", "darkroom_queue_", "darkroom_eta_", "darkroom_workers", "darkroom_lease_", "darkroom_job_")


def answered(exposition: Exposition, route: str, **labels: str) -> float:
    return exposition.value("darkroom_http_requests_total", route=route, **labels)


def test_the_exposition_is_valid_in_both_formats(service: Service) -> None:
    service.submit()
    plain = service.http.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    accept = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"
    open_metrics = service.http.get("/metrics", headers={"Accept": accept})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found = {metric.name for metric in text_string_to_metric_families(open_metrics.text)}
    assert "darkroom_jobs_submitted" in found
    # An info metric has its suffix in the name in one format alone.
    assert {metric.name.removesuffix("_info") for metric in read(plain.text).metrics} == found


def test_the_document_s_example_is_of_a_metric_that_there_is(service: Service) -> None:
    answer = service.http.get("/openapi.json").json()["paths"]["/metrics"]["get"]["responses"]["200"]
    example = read(answer["content"]["text/plain"]["example"])
    assert example.types.items() <= scrape(service.url).types.items()
    assert example.types


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.6", "text/plain"),
        ("application/openmetrics-text; version=abc", "application/openmetrics-text"),
        ("text/plain; version=\u00e9, ;;,=", "text/plain"),
    ],
)
def test_whatever_accept_holds_one_of_the_formats_is_the_answer(service: Service, accept: str, kind: str) -> None:
    answer = service.http.get("/metrics", headers={"Accept": accept.encode()})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


def test_a_job_is_counted_from_its_submit_to_its_pictures(
    service: Service,
    stub_worker: subprocess.Popen[bytes],  # noqa: ARG001
) -> None:
    jobs = [
        service.http.post("/generate", json={"prompt": "a fox"}, headers={"Prefer": "wait=20"}).json() for _ in range(2)
    ]
    told = scrape(service.url)
    assert told.value("darkroom_jobs_submitted_total", model="pocket") == 2
    assert told.value("darkroom_jobs_ended_total", status="succeeded", model="pocket") == 2
    assert told.value("darkroom_jobs_ended_total") == 2
    assert told.value("darkroom_stored_bytes") == sum(job["images"][0]["size_bytes"] for job in jobs)
    assert told.value("darkroom_queue_wait_seconds_count") == 2
    assert told.value("darkroom_eta_ratio_count") == told.value("darkroom_eta_ratio_bucket", le="+Inf") == 1
    assert told.value("darkroom_workers", state="ready") == told.value("darkroom_workers") == 1
    assert told.value("darkroom_redis_up") == 1


def test_the_line_the_failures_and_the_takeovers_are_shown(service: Service, moves: Moves) -> None:
    for _ in range(3):
        service.submit()
    moves.claim()
    moves.crash()
    failed = moves.claim()
    told = scrape(service.url)
    assert (told.value("darkroom_queue_depth"), told.value("darkroom_running_jobs")) == (2, 1)
    assert 0 < told.value("darkroom_queue_oldest_age_seconds") < 60
    assert told.value("darkroom_lease_takeovers_total", outcome="requeued") == 1
    moves.finish(failed, "failed", "error_code", "out_of_memory")
    told = scrape(service.url)
    assert told.value("darkroom_job_failures_total", code="out_of_memory") == 1
    assert told.value("darkroom_job_failures_total") == told.value("darkroom_jobs_ended_total", status="failed") == 1


def test_two_services_tell_the_same_of_redis_and_a_key_is_not_asked_for(
    service: Service, redis_url: str, tmp_path: Path, moves: Moves
) -> None:
    (tmp_path / "keys.json").write_text('{"keys": []}')
    other = start_service(redis_url, tmp_path, DARKROOM_API_KEYS_FILE=str(tmp_path / "keys.json"))
    try:
        moves.finish(service.submit()["id"] and moves.claim())
        assert other.http.get("/jobs").status_code == 401
        one, two = (
            [
                (sample.name, sample.labels, sample.value)
                for metric in scrape(each.url).metrics
                if metric.name.startswith(SHARED)
                for sample in metric.samples
            ]
            for each in (service, other)
        )
        assert len(one) > 50
        assert one == two
        assert answered(scrape(other.url), "/generate") == 0
    finally:
        stop_service(other)


def test_it_can_be_turned_off(redis_url: str, tmp_path: Path) -> None:
    service = start_service(redis_url, tmp_path, DARKROOM_METRICS="false")
    answer = service.http.get("/metrics")
    stop_service(service)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_without_redis_it_tells_what_the_process_knows(tmp_path: Path) -> None:
    redis_server = start_valkey(tmp_path)
    service = start_service(f"unix://{valkey.socket_path(tmp_path)}", tmp_path)
    try:
        assert scrape(service.url).value("darkroom_redis_up") == 1
        for number in (signal.SIGSTOP, signal.SIGKILL):
            redis_server.send_signal(number)
            told = scrape(service.url)
            assert told.types["darkroom_redis_up"] == "gauge"
            assert told.value("darkroom_redis_up") == 0
            assert answered(told, "/livez", status="200") > 0
            assert told.value("darkroom_store_disk_free_bytes") > 0
            assert "darkroom_queue_depth" not in told.types
    finally:
        end(redis_server, signal.SIGKILL)
        stop_service(service)


def test_requests_are_counted_by_what_they_were_routed_to(service: Service, client: redis.Redis) -> None:
    before = scrape(service.url)
    broken = "0" * 32
    client.hset(f"rq:job:{broken}", mapping={"owner": "anonymous", "status": "unheard of"})
    for path in ("/jobs/a", "/jobs/b", f"/jobs/{broken}", "/nowhere", "/static/nothing.js", "/images/x/0.png"):
        service.http.get(path)
    service.http.put("/generate")
    service.http.head("/jobs/a")
    service.http.get("/openapi.json")
    service.http.get("/livez", headers={"Host": "elsewhere.example"})
    after = scrape(service.url)

    def more(route: str, status: str, method: str = "GET") -> float:
        labels = {"status": status, "method": method}
        return answered(after, route, **labels) - answered(before, route, **labels)

    assert more("/jobs/{job_id}", "404") == 2
    assert more("/jobs/{job_id}", "500") == 1
    assert more("unmatched", "404") == 1
    assert more("unmatched", "421") == 1
    assert more("/static", "404") == 1
    assert more("/images/{job_id}/{index}.{extension}", "404") == 1
    assert more("/generate", "405", "PUT") == 1
    assert more("/jobs/{job_id}", "404", "HEAD") == 1
    assert more("/openapi.json", "200") == 1
    assert more("/metrics", "200") == 1
    timed = "darkroom_http_request_duration_seconds_count"
    assert after.value(timed) - before.value(timed) == 11


def test_a_stream_is_counted_when_it_begins_and_once(service: Service, connect: Connect) -> None:
    def streams() -> float:
        return answered(scrape(service.url), "/jobs/{job_id}/events", status="200")

    before = streams()
    job_id = service.submit()["id"]
    stream = connect(service.http).listen(job_id)
    stream.read_until(b"id: 1")
    assert streams() - before == 1
    service.http.post(f"/jobs/{job_id}/cancel")
    stream.read_until(b"canceled")
    assert streams() - before == 1


def odd_requests(service: Service, numbers: range) -> None:
    """Each with something that nobody has sent before."""
    paths = ("/{}", "/jobs/{}", "/jobs/{}/events", "/images/{}/0.png", "/static/{}", "/models/{}", "/jobs?model={}")
    for number in numbers:
        odd = f"odd{number}"
        headers = {"Authorization": f"Bearer dk_{odd}", "User-Agent": odd, "X-Forwarded-For": odd}
        service.http.get(paths[number % len(paths)].format(odd), headers=headers)
        body = {"prompt": odd, "labels": {odd: odd}, "seed": number, "model": "pocket" if number % 4 else odd}
        service.http.post("/generate", json=body, headers={"Idempotency-Key": odd})
        service.http.get("/livez", headers={"Host": f"{odd}.example"})


def test_odd_requests_make_no_series(service: Service, client: redis.Redis) -> None:
    odd_requests(service, range(28))
    before = scrape(service.url)
    odd_requests(service, range(28, 400))
    client.hset(keys.COUNTERS, mapping={f"jobs_ended|succeeded|odd{number}": 1 for number in range(50)})
    client.hset(keys.COUNTERS, mapping={f"job_failures|odd{number}": 1 for number in range(50)})
    after = scrape(service.url)
    new = after.series - before.series
    assert {(name, dict(labels).get("model") or dict(labels).get("code")) for name, labels in new} <= {
        ("darkroom_jobs_ended_total", "other"),
        ("darkroom_job_failures_total", "other"),
        *((name, None) for name, labels in new if ("route", "/metrics") in labels),
    }
    assert len(after.series) < 8000  # whatever the other tests asked of the routes of this service
    assert after.value("darkroom_jobs_ended_total", model="other") == 50
    answer = service.http.get("/metrics").text
    assert "odd" not in answer
    assert "anonymous" not in answer


@pytest.mark.parametrize("method", ["PROPFIND", "MKCOL"])
def test_a_method_that_no_route_knows_is_other(service: Service, method: str) -> None:
    labels = {"route": "unmatched", "method": "other"}
    before = scrape(service.url).value("darkroom_http_requests_total", **labels)
    httpx.request(method, f"{service.url}/nowhere", trust_env=False)
    assert scrape(service.url).value("darkroom_http_requests_total", **labels) - before == 1


def test_attempts_to_deliver_a_webhook_are_counted_by_outcome() -> None:
    metrics = ProcessMetrics()
    metrics.webhook_attempted("retried")
    metrics.webhook_attempted("retried")
    metrics.webhook_attempted("delivered")
    outcomes = ("delivered", "retried", "failed", "stopped")
    told = [metrics.registry.get_sample_value("darkroom_webhook_deliveries_total", {"outcome": o}) for o in outcomes]
    assert told == [1, 2, 0, 0]
