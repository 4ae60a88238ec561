import re
from urllib.parse import parse_qs, urlsplit

import pytest

from service.access.signed_urls import SignedUrls

JOB = "0123456789abcdef" * 2
PICTURE = f"images/{JOB}/0"
PATH = f"/{PICTURE}.png"
NOW = 1_800_000_000.0
URLS = SignedUrls(b"k" * 32, 3600)


def query(url: str) -> tuple[str, str]:
    """What `expires` and `signature` are in a URL."""
    asked = parse_qs(urlsplit(url).query, strict_parsing=True)
    return asked["expires"][0], asked["signature"][0]


def test_a_signed_url_is_the_path_with_a_time_and_a_signature() -> None:
    url = URLS.sign(PATH, NOW)
    assert re.fullmatch(re.escape(PATH) + r"\?expires=\d{10}&signature=[A-Za-z0-9_-]{43}", url)
    assert URLS.allows(PICTURE, *query(url), NOW)


def test_without_a_time_it_is_now() -> None:
    assert URLS.allows(PICTURE, *query(URLS.sign(PATH)))
    assert not URLS.allows(PICTURE, *query(URLS.sign(PATH, NOW - 10**9)))


def test_the_signature_is_of_the_picture_in_any_format() -> None:
    assert query(URLS.sign(f"/images/{JOB}/0.webp", NOW)) == query(URLS.sign(PATH, NOW))


@pytest.mark.parametrize("after", [0.0, 1.5, 899.0, 3599.0])
def test_a_url_is_open_for_its_lifetime_and_at_most_a_quarter_longer(after: float) -> None:
    expires, signature = query(URLS.sign(PATH, NOW + after))
    assert URLS.allows(PICTURE, expires, signature, NOW + after + 3600)
    assert not URLS.allows(PICTURE, expires, signature, NOW + after + 3600 + 900)
    assert not URLS.allows(PICTURE, expires, signature, float(expires))
    assert URLS.allows(PICTURE, expires, signature, float(expires) - 0.1)


def test_the_same_url_is_given_out_for_a_quarter_of_the_lifetime() -> None:
    assert NOW % 900 == 0
    first = URLS.sign(PATH, NOW)
    assert URLS.sign(PATH, NOW + 899) == first
    assert URLS.sign(PATH, NOW + 900) != first


def test_a_signature_opens_nothing_else() -> None:
    expires, signature = query(URLS.sign(PATH, NOW))
    later = str(int(expires) + 900)
    other = SignedUrls(b"j" * 32, 3600)
    assert not URLS.allows(f"images/{JOB}/1", expires, signature, NOW)
    assert not URLS.allows(f"images/{'f' * 32}/0", expires, signature, NOW)
    assert not URLS.allows(PICTURE, later, signature, NOW)
    assert not other.allows(PICTURE, expires, signature, NOW)


@pytest.mark.parametrize("expires", ["", "-1", "1e12", "0x1", " 1800003600", "١٨٠٠٠٠٣٦٠٠", "9" * 5000, "nan"])
def test_a_time_that_is_none_opens_nothing(expires: str) -> None:
    assert not URLS.allows(PICTURE, expires, query(URLS.sign(PATH, NOW))[1], NOW)


@pytest.mark.parametrize("spoil", ["{}=", "{:.42}", "", "é", "{} "])
def test_a_signature_that_is_none_opens_nothing(spoil: str) -> None:
    expires, signature = query(URLS.sign(PATH, NOW))
    assert not URLS.allows(PICTURE, expires, spoil.format(signature), NOW)
