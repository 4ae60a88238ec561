from service.pictures.bytes_cache import BytesCache


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = BytesCache(30)
    for key in "abc":
        cache.put(key, bytes(10))
    assert cache.get("a") is not None
    cache.put("d", bytes(10))
    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]


def test_the_cache_counts_bytes() -> None:
    cache = BytesCache(30)
    cache.put("a", bytes(10))
    cache.put("b", bytes(25))
    assert (cache.get("a"), cache.get("b")) == (None, bytes(25))


def test_what_is_put_twice_counts_once() -> None:
    cache = BytesCache(30)
    for _ in range(5):
        cache.put("a", bytes(10))
    cache.put("b", bytes(20))
    assert (cache.get("a"), cache.get("b")) == (bytes(10), bytes(20))


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = BytesCache(30)
    cache.put("a", bytes(31))
    assert cache.get("a") is None
    cache.put("b", bytes(30))
    assert cache.get("b") == bytes(30)
