"""Byte strings kept in memory, the ones used last, up to a size. Knows nothing of what they are."""

from collections import OrderedDict


class BytesCache:
    """`max_bytes` bounds the sum of what is kept; whatever was used longest ago goes first. For one thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> bytes | None:
        content = self._kept.get(key)
        if content is not None:
            self._kept.move_to_end(key)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Replaces what was there. What alone is larger than the cache is not kept."""
        self._size += len(content) - len(self._kept.pop(key, b""))
        self._kept[key] = content
        while self._size > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)
