"""Which URLs and addresses may be called: every spelling of an address inside is refused, before anybody is asked."""

import ipaddress
import json

import pytest

from service.webhooks.receivers import (
    AllowedReceivers,
    ReceiverRefused,
    check_addresses,
    read_allowed,
    read_receiver,
)
from tests.service.conftest import Service

NOBODY = AllowedReceivers()

REFUSED_HOSTS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0X7F.1",
    "0177.0.0.1",
    "127.0.0.0x1",
    "127.0.0.01",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "256.1.1.1",
    "1.2.3.4.5",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::8.8.8.8]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]",
    "[::1%lo]",
    "[2606:4700::1111%eth0]",
    "[2606:4700::1111%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "[127.0.0.1]",
    "[v1.fe80::a]",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "ⓛocalhost",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "",
    ".",
    "a..b",
    "-a.example",
    "a" * 64 + ".example",
]
REFUSED_URLS = [
    "http://hooks.example/",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "gopher://hooks.example/",
    "//hooks.example/",
    "hooks.example",
    "https:hooks.example",
    "https:///hooks.example",
    "https://user@hooks.example/",
    "https://user:pass@hooks.example/",
    "https://@hooks.example/",
    "https://hooks.example@127.0.0.1/",
    "https://127.0.0.1\\@hooks.example/",
    "https://hooks.example\\@127.0.0.1/",
    "https://hooks.example/#fragment",
    "https://hooks.example/#",
    "https://hooks.example:0/",
    "https://hooks.example:65536/",
    "https://hooks.example:99999999999/",
    "https://hooks.example:-1/",
    "https://hooks.example:８０/",
    "https://hooks.example/a b",
    " https://hooks.example/",
    "https://hooks.example/\r\nX: y",
    "https://hooks.example/\t",
    "https://münchen.example/",
    "https://hooks.example/ü",
]


@pytest.mark.parametrize("url", [*(f"https://{host}/hook" for host in REFUSED_HOSTS), *REFUSED_URLS], ids=ascii)
def test_a_url_that_may_not_be_called_is_refused_at_the_submit(service: Service, url: str) -> None:
    body = json.dumps({"prompt": "a fox", "webhook": {"url": url}}).encode()
    answer = service.http.post("/generate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/webhook/url"]
    assert service.http.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/a?b=c@d",
        "HTTPS://Hooks.Example:8443",
        "https://xn--mnchen-3ya.example/%20/@/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/hook",
        "https://a_b.example./",
        "https://1and1.example/",
        "https://127.0.0.1.example/",
    ],
)
def test_a_url_that_may_be_called_is_taken_without_being_looked_up(service: Service, url: str) -> None:
    job = service.submit(webhook={"url": url})
    assert job["webhook"] == {
        "url": url,
        "events": ["job.succeeded", "job.failed", "job.canceled"],
        "deliveries": [],
    }


@pytest.mark.parametrize(
    "address",
    [
        "0.255.255.255",
        "10.0.0.0",
        "100.127.255.255",
        "127.255.255.255",
        "169.254.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.168.255.255",
        "192.175.48.1",
        "198.19.255.255",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:1.1.1.1",
        "::1.1.1.1",
        "64:ff9b::1.1.1.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:101:101::1",
        "2620:4f:8000::1",
        "3fff:fff:ffff::1",
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "fec0::1",
        "ff0e::1",
    ],
)
def test_one_forbidden_address_of_a_name_is_one_too_many(address: str) -> None:
    receiver = read_receiver("https://hooks.example/", NOBODY)
    public = ipaddress.ip_address("1.1.1.1")
    check_addresses(receiver, [public, ipaddress.ip_address("2606:4700::1111")], NOBODY)
    with pytest.raises(ReceiverRefused, match="private"):
        check_addresses(receiver, [public, ipaddress.ip_address(address)], NOBODY)


def test_what_is_allowed_may_be_called_inside_and_over_http() -> None:
    allowed = read_allowed(" Hooks.internal., 127.0.0.1,10.0.0.0/8 , fd00::/8,localhost")
    inside = ipaddress.ip_address("192.168.1.1")
    for url, host in {
        "http://hooks.internal/": "hooks.internal",
        "http://HOOKS.INTERNAL.:8080/": "hooks.internal",
        "http://127.0.0.1:1/": "127.0.0.1",
        "http://10.1.2.3/": "10.1.2.3",
        "https://[FD00::0:1]/": "fd00::1",
        "http://localhost/": "localhost",
    }.items():
        receiver = read_receiver(url, allowed)
        assert receiver.host == host
    check_addresses(read_receiver("http://hooks.internal/", allowed), [inside], allowed)
    check_addresses(read_receiver("https://other.example/", allowed), [ipaddress.ip_address("10.1.2.3")], allowed)
    for url in (
        "http://127.0.0.2/",
        "http://8.8.8.8/",
        "http://other.example/",
        "http://a.hooks.internal/",
        "https://[::ffff:127.0.0.1]/",
    ):
        with pytest.raises(ReceiverRefused):
            read_receiver(url, allowed)
    with pytest.raises(ReceiverRefused):
        check_addresses(read_receiver("https://other.example/", allowed), [inside], allowed)
