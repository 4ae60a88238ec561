"""Safetensors files with weights that mean nothing, written one tensor at a time.

Knows the file format and which spread keeps a deep network finite in half precision; knows nothing of pipelines.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch

Shapes = dict[str, tuple[int, ...]]

_TYPE_NAMES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}


def shapes_of(network: torch.nn.Module) -> Shapes:
    """The tensors that a saved network has, each shared one once, under its first name."""
    names: dict[int, str] = {}
    state = network.state_dict(keep_vars=True)
    for name, tensor in state.items():
        names.setdefault(id(tensor), name)
    return {name: tuple(state[name].shape) for name in names.values()}


def write_random(file: Path, shapes: Shapes, dtype: torch.dtype) -> None:
    """The same shapes always get the same weights."""
    noise = torch.Generator().manual_seed(0)
    with file.open("wb") as output:
        output.write(_header(shapes, dtype))
        for name, shape in shapes.items():
            tensor = _random_tensor(name, shape, noise).to(dtype)
            output.write(tensor.flatten().view(torch.uint8).numpy().tobytes())


def write_sparse(file: Path, shapes: Shapes, dtype: torch.dtype) -> None:
    header = _header(shapes, dtype)
    file.write_bytes(header)
    with file.open("r+b") as output:
        output.truncate(len(header) + sum(map(math.prod, shapes.values())) * dtype.itemsize)


def _random_tensor(name: str, shape: tuple[int, ...], noise: torch.Generator) -> torch.Tensor:
    if len(shape) == 1:
        return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
    # One over the square root of the inputs keeps the spread of what a layer gets in what it puts out.
    return torch.empty(shape).normal_(std=math.prod(shape[1:]) ** -0.5, generator=noise)


def _header(shapes: Shapes, dtype: torch.dtype) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    for name, offsets in _offsets(shapes, dtype.itemsize):
        entries[name] = {"dtype": _TYPE_NAMES[dtype], "shape": shapes[name], "data_offsets": offsets}
    content = json.dumps(entries).encode()
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content


def _offsets(shapes: Shapes, item_size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    start = 0
    for name, shape in shapes.items():
        end = start + math.prod(shape) * item_size
        yield name, (start, end)
        start = end
