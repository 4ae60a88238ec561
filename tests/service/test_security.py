from pathlib import Path

import pytest

from tests.service.conftest import Service, start_service, stop_service

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "127.8.9.1", "[::1]:8000", "LOCALHOST"])
def test_loopback_hosts_are_served(service: Service, host: str) -> None:
    assert service.http.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0x7f000001", "192.168.0.1", "[::", "", "@"]
)
def test_any_other_host_is_refused(service: Service, host: str) -> None:
    answer = service.http.get("/livez", headers={"Host": host})
    assert answer.status_code in (400, 421)
    if answer.status_code == 421:
        assert answer.json()["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://a]"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_of_another_origin_cannot_submit(service: Service, headers: dict[str, str]) -> None:
    answer = service.http.post("/generate", json={"prompt": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin_refused")


def test_a_page_of_the_service_itself_can_submit(service: Service) -> None:
    headers = {"Origin": service.url, "Sec-Fetch-Site": "same-origin"}
    assert service.http.post("/generate", json={"prompt": "a"}, headers=headers).status_code == 202


def test_hosts_that_are_listed_are_served(redis_url: str, tmp_path: Path) -> None:
    service = start_service(redis_url, tmp_path, DARKROOM_ALLOWED_HOSTS="darkroom.lan, other")
    try:
        assert service.http.get("/livez", headers={"Host": "darkroom.lan:8000"}).status_code == 200
        assert service.http.get("/livez", headers={"Host": "evil.example"}).status_code == 421
    finally:
        stop_service(service)


def test_a_service_without_keys_looks_at_no_key(service: Service) -> None:
    for authorization in ("Bearer x", "Basic x", "x"):
        assert service.http.get("/models", headers={"Authorization": authorization}).status_code == 200
