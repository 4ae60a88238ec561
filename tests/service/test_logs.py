"""Everything that a real service and a real worker write, while clients send what nobody else may see."""

import io
import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.access.key_file import KeyLimits
from service.keys import add
from tests.conftest import end, free_port, start_stub, wait_until
from tests.service.conftest import Service, start_service, stop_service

CANARY = "zanzibar"


@dataclass(frozen=True)
class Both:
    """A service with keys and its worker, which log all that they can."""

    service: Service
    key: str
    folder: Path
    redis_url: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return self.service.http.request(method, path, headers=headers, **options)

    def end_of(self, prompt: str, **parameters: Any) -> dict[str, Any]:
        body = {"prompt": prompt, "negative_prompt": CANARY, "labels": {"for": CANARY}} | parameters
        headers = {"Prefer": "wait=20", "Idempotency-Key": CANARY + prompt}
        answer = self.ask("POST", "/generate", json=body, headers=headers)
        job: dict[str, Any] = answer.json()
        assert job["completed_at"], job
        return job

    def start_worker(self) -> None:
        data_dir = self.service.data_dir
        with (self.folder / "worker.log").open("ab") as output:
            self.workers.append(
                start_stub(self.redis_url, data_dir, "logging", output=output, DARKROOM_LOG_LEVEL="debug")
            )
        pid = self.workers[-1].pid
        wait_until(lambda: pid in [each["pid"] for each in self.ask("GET", "/readyz").json()["workers"]], 30)

    def lines(self, side: str, count: int = 0, **wanted: Any) -> list[dict[str, Any]]:
        """Those that say so, once there are so many: a line may come after the answer."""

        def found() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in (self.folder / f"{side}.log").read_text().splitlines()]
            return [line for line in lines if wanted.items() <= line.items()]

        if count:
            wait_until(lambda: len(found()) >= count, 20)
        return found()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logged")


@pytest.fixture(scope="module")
def both(valkey_socket: Path, folder: Path) -> Iterator[Both]:
    redis_url = f"unix://{valkey_socket}?db=7"
    key = add(folder / "keys.json", "alice", KeyLimits())
    (folder / "policy.txt").write_text("forbidden\n")
    with (folder / "service.log").open("wb") as output:
        service = start_service(
            redis_url,
            folder / "data",
            output=output,
            DARKROOM_API_KEYS_FILE=str(folder / "keys.json"),
            DARKROOM_LOG_LEVEL="debug",
            DARKROOM_ACCESS_LOG="1",
            DARKROOM_PROMPT_POLICY=str(folder / "policy.txt"),
            DARKROOM_WEBHOOK_ALLOW="127.0.0.1",
            DARKROOM_WEBHOOK_RETRY_SCALE="0.00001",
        )
    both = Both(service, key, folder, redis_url)
    both.start_worker()
    yield both
    for worker in both.workers:
        end(worker)
    stop_service(service)


@pytest.fixture
def nobody() -> str:
    """The URL of a webhook that takes no connections."""
    return f"http://127.0.0.1:{free_port()}/{CANARY}"


def test_a_job_s_life_is_told_in_a_line_each_that_names_it_and_its_owner(both: Both) -> None:
    job = both.end_of("a fox", num_images_per_prompt=2)
    who = {"job_id": job["id"], "owner": "alice"}
    both.ask("GET", f"/jobs/{job['id']}")
    submitted, asked = both.lines("service", 2, **who)
    assert (submitted["event"], submitted["images"], submitted["model"]) == ("job_submitted", 2, "pocket")
    assert (asked["event"], asked["route"], asked["status"]) == ("request", "/jobs/{job_id}", 200)
    claimed, succeeded = both.lines("worker", 2, **who)
    assert (claimed["event"], claimed["attempts"], claimed["worker"]) == ("job_claimed", 1, "logging")
    assert (succeeded["event"], succeeded["images"]) == ("job_succeeded", 2)
    assert succeeded["store_seconds"] == job["timings"]["store_seconds"]


def test_a_job_that_fails_says_where_and_why(both: Both) -> None:
    job = both.end_of(f"fail {CANARY}")
    claimed, traceback, failed = both.lines("worker", 3, job_id=job["id"], owner="alice")
    assert claimed["event"] == "job_claimed"
    assert traceback["exception"][0]["frames"][-1].endswith("_quote")
    assert (failed["event"], failed["level"], failed["code"]) == ("job_failed", "warning", "generation_failed")


def test_cancels_deletes_and_replays_are_told(both: Both) -> None:
    asked: dict[str, Any] = {"json": {"prompt": "steps 400"}, "headers": {"Idempotency-Key": "again"}}
    who = {"job_id": both.ask("POST", "/generate", **asked).json()["id"], "owner": "alice"}
    both.lines("worker", 1, event="job_claimed", **who)
    both.ask("POST", "/generate", **asked)
    both.ask("POST", f"/jobs/{who['job_id']}/cancel")
    both.lines("worker", 1, event="job_canceled", **who)
    both.ask("DELETE", f"/jobs/{who['job_id']}")
    told = [line["event"] for line in both.lines("service", **who)]
    expected = ["job_submitted", "job_replayed", "cancel_asked", "job_deleted"]
    assert [event for event in told if event != "request"] == expected


def test_every_answer_has_the_request_s_id_and_so_has_its_line(both: Both) -> None:
    answers = [
        both.ask("GET", "/models", headers={"X-Request-ID": "from-a.proxy_1"}),
        both.ask("GET", "/nothing"),
        both.ask("POST", "/generate", content=b"{"),
        both.service.http.get("/models"),
        both.service.http.get("/livez"),
        both.ask("HEAD", "/grids"),
    ]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert ids[0] == "from-a.proxy_1"
    assert len(set(ids)) == len(ids)
    told = [both.lines("service", 1, request_id=each, event="request")[0] for each in ids]
    assert [(line["method"], line["route"], line["status"], line.get("owner")) for line in told] == [
        ("GET", "/models", 200, "alice"),
        ("GET", "", 404, None),
        ("POST", "/generate", 415, "alice"),
        ("GET", "/models", 401, None),
        ("GET", "/livez", 200, None),
        ("HEAD", "/grids", 200, "alice"),
    ]


@pytest.mark.parametrize("presented", ["", "a b", "a" * 65, "é", 'a"b', "a\tb"])
def test_an_id_that_could_be_something_else_is_replaced(both: Both, presented: str) -> None:
    answer = both.ask("GET", "/livez", headers={"X-Request-ID": presented.encode("latin-1")})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_a_grid_s_jobs_are_told_one_by_one(both: Both) -> None:
    body = {"parameters": {"prompt": "a fox"}, "x": {"parameter": "seed", "values": [1, 2]}}
    grid_id = both.ask("POST", "/grids", json=body).json()["id"]
    both.ask("GET", f"/grids/{grid_id}?wait=20")
    both.ask("POST", f"/grids/{grid_id}/cancel")
    job_ids = [each["job_id"] for each in both.ask("GET", f"/grids/{grid_id}").json()["cells"]]
    both.ask("DELETE", f"/grids/{grid_id}")
    told = both.lines("service", 6, grid_id=grid_id, owner="alice")
    assert [(line["event"], line.get("job_id")) for line in told] == [
        ("grid_submitted", None),
        *(("job_submitted", job_id) for job_id in job_ids),
        ("cancel_asked", None),
        *(("job_deleted", job_id) for job_id in job_ids),
    ]


def test_what_is_done_about_webhooks_is_told(both: Both, nobody: str) -> None:
    job = both.end_of("a fox with a webhook", webhook={"url": nobody})
    who = {"job_id": job["id"], "owner": "alice"}
    both.ask("POST", f"/jobs/{job['id']}/webhook/redeliver")
    both.ask("POST", "/webhooks/secret/rotate")
    assert both.lines("service", 1, event="webhook_try", **who)[0]["host"] == "127.0.0.1"
    both.lines("service", 1, event="redelivery_asked", **who)
    both.lines("service", 1, event="webhook_secret_rotated", owner="alice")


def _image_with_texts() -> bytes:
    info = PngInfo()
    for keyword in ("parameters", "prompt", "Comment"):
        info.add_text(keyword, f"{CANARY}\nSteps: 2, Sampler: {CANARY}, Seed: {CANARY}, Size: 8x8, Model: {CANARY}")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "png", pnginfo=info)
    return file.getvalue()


def _send_to_grids_and_inspect(both: Both, nobody: str) -> list[httpx.Response]:
    """The canary, in what is refused and in what is taken."""
    shared = {"prompt": f"fail {CANARY}", "labels": {CANARY: CANARY}, "webhook": {"url": f"{nobody}?token={CANARY}"}}
    axis = {"parameter": "negative_prompt", "values": [CANARY, f"{CANARY} 2"]}
    made = both.ask("POST", "/grids", json={"parameters": shared, "x": axis}, headers={"Idempotency-Key": CANARY})
    grid = both.ask("GET", f"/grids/{made.json()['id']}?wait=20").json()
    assert grid["counts"]["failed"] == 2, made.text
    for cell in grid["cells"]:
        both.lines("service", 1, event="webhook_try", job_id=cell["job_id"], owner="alice")
    wrong: list[dict[str, Any]] = [
        {"parameters": shared, "x": {"parameter": CANARY, "values": [CANARY]}},
        {"parameters": shared, "x": {"parameter": "seed", "values": [CANARY]}},
        {"parameters": shared, "x": {"parameter": "prompt", "values": [f"forbidden {CANARY}"]}},
        {"parameters": shared | {"style": CANARY}, "x": axis},
        {"parameters": shared | {"webhook": {"url": f"https://{CANARY}:{CANARY}@127.0.0.1/{CANARY}"}}, "x": axis},
    ]
    png, odd = {"Content-Type": "image/png"}, {"Content-Type": f"image/{CANARY}"}
    image = _image_with_texts()
    return [
        *(both.ask("POST", "/grids", json=body) for body in wrong),
        both.ask("GET", f"/grids/{grid['id']}/sheet.{CANARY}"),
        both.ask("GET", f"/grids/{grid['id']}/sheet.png"),
        both.service.http.get(f"{grid['sheet_signed_url']}{CANARY}"),
        both.ask("GET", "/grids", params={"cursor": CANARY}),
        both.ask("DELETE", f"/grids/{CANARY}"),
        both.ask("POST", "/inspect", content=image, headers=png),
        both.ask("POST", "/inspect", content=CANARY, headers=png),
        both.ask("POST", "/inspect", content=image, headers=odd),
        both.ask("POST", f"/jobs/{CANARY}/webhook/redeliver"),
    ]


def _send_all(both: Both) -> list[httpx.Response]:
    """Puts the canary wherever a client can put one."""
    job = both.end_of(f"a fox {CANARY}")
    both.end_of(f"fail {CANARY}")
    signed = job["images"][0]["signed_url"]
    wrong = {"Authorization": f"Bearer dk_{CANARY}"}
    odd = dict.fromkeys(("Last-Event-ID", "Range", "Accept", "If-None-Match", "Prefer", "Cookie", "User-Agent"), CANARY)
    odd |= {"traceparent": CANARY, "tracestate": f"a={CANARY}", "X-Request-ID": f"{CANARY} {CANARY}"}
    return [
        both.ask("POST", "/generate", json={"prompt": CANARY}, headers=wrong),
        both.ask("GET", "/models", headers=odd),
        both.ask("GET", f"/jobs/{job['id']}/events", headers=odd),
        both.ask("GET", f"/jobs/{CANARY}?wait=1"),
        both.ask("GET", "/jobs", params={"label": f"for:{CANARY}"}),
        both.ask("GET", "/jobs", params={"cursor": CANARY, CANARY: CANARY, "limit": CANARY}),
        both.ask("GET", f"/{CANARY}/{CANARY}?{CANARY}={CANARY}"),
        both.ask(CANARY.upper(), f"/{CANARY}"),
        both.service.http.get(signed),
        both.service.http.get(f"{signed}{CANARY}"),
        both.ask("POST", "/generate", json={"prompt": f"forbidden {CANARY}"}),
        both.ask("POST", "/generate", json={"prompt": "a", "style": CANARY}),
        both.ask("POST", "/generate", json={"prompt": "a", "webhook": {"url": f"ftp://{CANARY}"}}),
        both.ask("POST", "/generate", json={"prompt": "a", "model": CANARY}),
        both.ask("POST", "/generate", json={"prompt": "a", "scheduler": CANARY, "width": CANARY}),
        *(
            both.ask("POST", "/generate", content=body, headers={"Content-Type": "application/json"})
            for body in (
                f'{{"prompt": "{CANARY}"',
                f'{{"prompt": "{CANARY}\ud800"}}'.encode("utf-8", "surrogatepass"),
                "[",
            )
        ),
    ]


def _send_no_http(both: Both) -> None:
    address = (both.service.http.base_url.host, both.service.http.base_url.port)
    for sent in (f"{CANARY}\r\n\r\n", f"GET / HTTP/1.1\r\n{CANARY}\r\n\r\n", f"GET / HTTP/9 {CANARY}\r\n\r\n"):
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(sent.encode())
            connection.recv(1000)


def test_nothing_that_a_client_sent_and_no_key_is_in_any_line_or_error(both: Both, nobody: str) -> None:
    answers = [*_send_all(both), *_send_to_grids_and_inspect(both, nobody)]
    _send_no_http(both)
    bodies = "\n".join(answer.text for answer in answers if answer.status_code >= 400)
    bodies += both.service.http.get("/metrics").text
    webhook_secret = both.ask("GET", "/webhooks/secret").json()["secret"].removeprefix("whsec_")
    written = "".join((both.folder / f"{side}.log").read_text() for side in ("service", "worker"))
    assert len(both.lines("service", event="request")) >= len(answers)
    keys = (both.key, both.key[3:20], webhook_secret, "whsec_")
    for secret in (CANARY, CANARY.upper(), "signature=", "forbidden", *keys):
        assert secret not in written
        assert [line for line in bodies.splitlines() if secret in line] == []


def test_a_worker_that_ends_by_an_error_that_quotes_its_job_does_not_repeat_it(both: Both) -> None:
    job_id = both.ask("POST", "/generate", json={"prompt": f"crash {CANARY}"}).json()["id"]
    for attempt in range(1, 4):
        both.lines("worker", attempt, event="job_claimed", job_id=job_id)
        both.lines("worker", attempt, event="process_failed")
        both.start_worker()
    lost = both.lines("worker", 3, event="lease_lost", job_id=job_id, owner="alice")
    assert [line["outcome"] for line in lost] == ["requeued", "requeued", "failed"]
    assert CANARY not in (both.folder / "worker.log").read_text()


def test_a_redis_that_refuses_is_complained_of_without_its_password(valkey_socket: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as output:
        service = start_service(f"unix://nobody:{CANARY}@{valkey_socket}", tmp_path, output=output)
    wait_until(lambda: "housekeeping_interrupted" in (tmp_path / "log").read_text())
    assert service.http.get("/jobs").status_code == 503
    stop_service(service)
    written = (tmp_path / "log").read_text()
    events = [json.loads(line)["event"] for line in written.splitlines()]
    assert {"service_started", "queue_unavailable", "service_stopped"} <= set(events)
    assert "request" not in events  # nobody asked for those lines
    assert CANARY not in written
