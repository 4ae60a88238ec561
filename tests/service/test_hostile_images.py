"""Files that were made to harm whoever reads them."""

import json
import random
import sys
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from contract.image_file import CONTENT_TYPES, encode_image
from contract.model_catalog import read_model_catalog
from contract.parameters import OutputFormat
from contract.xmp import DARKROOM, MAX_PACKET_BYTES
from service.errors import NoParametersFound, ServiceError
from service.inspection.image_parts import read_parts
from service.inspection.inspection import inspect_image
from tests.conftest import ROOT
from tests.service.conftest import Service
from tests.service.image_samples import jpeg_with, png_of, png_with, png_with_xmp, webp_with
from tests.service.pictures import drawing
from tests.service.test_other_tools import A1111, FOOOCUS, INVOKEAI, NOVELAI, OLD_INVOKEAI, OLDEST_INVOKEAI, comfyui
from tests.submissions import PARAMETERS

CATALOG = read_model_catalog(ROOT / "models.toml")


def _ours(output_format: OutputFormat) -> bytes:
    return encode_image(drawing((64, 64)), PARAMETERS.model_copy(update={"output_format": output_format}), 0)


SAMPLES = {
    **{output_format: _ours(output_format) for output_format in CONTENT_TYPES},
    "web UI PNG": png_with({"parameters": A1111}, packed=True),
    "web UI JPEG": jpeg_with(A1111),
    "web UI WebP": webp_with(A1111),
    "ComfyUI": png_with({"prompt": comfyui(), "workflow": "{}"}),
    "Fooocus": png_with({"parameters": json.dumps(FOOOCUS)}),
    "InvokeAI": png_with({"invokeai_metadata": json.dumps(INVOKEAI)}),
    "old InvokeAI": png_with({"sd-metadata": json.dumps(OLD_INVOKEAI)}),
    "oldest InvokeAI": png_with({"Dream": OLDEST_INVOKEAI}),
    "NovelAI": png_with({"Comment": json.dumps(NOVELAI), "Description": "a", "Source": "Diffusion 7BCCAA2C"}),
}


def judge(content: bytes) -> bool:
    """Whether it was read; anything but an answer or a refusal of the service's own fails the test."""
    try:
        inspect_image(content, CATALOG).model_dump_json()
    except ServiceError:
        return False
    return True


def _changed(content: bytes, chance: random.Random) -> Iterator[bytes]:
    """Cut off, with bits turned, with bytes changed, with a piece twice or gone, with the numbers in it turned wild."""
    size = len(content)
    yield content[: chance.randrange(size)]
    for flips in (1, 8):
        spoiled = bytearray(content)
        for _ in range(flips):
            spoiled[chance.randrange(size)] ^= 1 << chance.randrange(8)
        yield bytes(spoiled)
    start, length = chance.randrange(size), chance.randrange(1, 64)
    yield content[:start] + chance.randbytes(length) + content[start + length :]
    yield content[:start] + content[start : start + length] * 2 + content[start + length :]
    yield content[:start] + content[start + length :]
    number = chance.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"))
    yield content[:start] + number + content[start + 4 :]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_damaged_file_is_read_or_refused(sample: str) -> None:
    content, chance = SAMPLES[sample], random.Random(sample)
    assert judge(content)
    outcomes = [judge(each) for _ in range(150) for each in _changed(content, chance)]
    assert {True, False} == set(outcomes)


@pytest.mark.parametrize("tool", ["ComfyUI", "Fooocus", "InvokeAI", "NovelAI"])
def test_values_of_any_kind_are_read_or_refused(tool: str) -> None:
    wild = [None, True, -1, 1e308, 10**400, [], {}, [[]], {"a": {}}, "", "x" * 5000, "\ud800", "(9, 9)", "9x9"]
    keyword, document = {
        "ComfyUI": ("prompt", json.loads(comfyui())),
        "Fooocus": ("parameters", FOOOCUS),
        "InvokeAI": ("invokeai_metadata", INVOKEAI),
        "NovelAI": ("Comment", NOVELAI),
    }[tool]
    around = {"Description": "a", "Source": "b C1"} if tool == "NovelAI" else {}
    texts = [json.dumps(each) for each in _with_one_changed(document, wild)] + [json.dumps(each) for each in wild]
    outcomes = [judge(png_with(around | {keyword: text})) for text in texts]
    assert {True, False} == set(outcomes)


def _with_one_changed(document: object, wild: list[object]) -> Iterator[object]:
    """The document with each of its values, at any depth, replaced by each of these."""
    items = document.items() if isinstance(document, dict) else ()
    for name, value in items:
        for other in (*wild, *_with_one_changed(value, wild)):
            yield {**document, name: other}  # type: ignore[dict-item]


@pytest.mark.parametrize("keyword", ["parameters", "prompt", "sd-metadata", "Comment"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 100_000, "NaN", "{}", "[]", '"x"', "null"])
def test_json_of_any_form_is_refused(keyword: str, text: str) -> None:
    assert not judge(png_with({"Description": "a", "Source": "b C1", keyword: text}))


def test_values_of_any_depth_are_read_or_refused() -> None:
    """What json still parses may be too deep for what comes after it, by a few levels."""
    outcomes = []
    for depth in range(850, sys.getrecursionlimit()):
        deep = "[" * depth + "]" * depth
        exact = f'{{"num_images_per_prompt": 1, "width": {deep}, "x": {deep}}}'
        properties = f"<d:Parameters>{exact}</d:Parameters><d:ImageIndex>0</d:ImageIndex>"
        outcomes.append(judge(png_with_xmp(f"<x xmlns:d='{DARKROOM}'>{properties}</x>".encode())))
        judge(png_with({"invokeai_metadata": f'{{"scheduler": "ddim", "seed": {deep}, "x": {deep}}}'}))
        judge(png_with({"prompt": comfyui().replace('"a fox"', f'{{"a": {deep}}}')}))
    assert (outcomes[0], outcomes[-1]) == (True, False)


def packed(size: int) -> bytes:
    return b"parameters\0\0" + zlib.compress(bytes(size), 9)


def test_a_packed_text_is_unpacked_up_to_a_limit_and_once() -> None:
    bomb = png_of(*[(b"zTXt", packed(30 * 2**20))] * 3)
    tracemalloc.start()
    with pytest.raises(NoParametersFound):
        inspect_image(bomb, CATALOG)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20
    for size, keywords in ((2**20, {"parameters"}), (2**20 + 1, set())):
        assert read_parts(png_of((b"zTXt", packed(size)))).texts.keys() == keywords
    # Each of these takes a millisecond to unpack: all of them half a minute, the first alone nothing.
    assert not judge(png_of(*[(b"zTXt", packed(2**20 + 1))] * 28_000))


@pytest.mark.parametrize(
    ("texts", "longest"),
    [({"parameters": A1111}, 16_384), ({"Dream": '"a fox" -S 1 -A ddim'}, 4096)],
    ids=["the web UI's", "InvokeAI's"],
)
def test_a_text_that_would_take_long_to_search_is_left_alone(texts: dict[str, str], longest: int) -> None:
    ((keyword, text),) = texts.items()
    filled = "\n" * (longest - len(text)) + text if keyword == "parameters" else text + " " * (longest - len(text))
    assert judge(png_with({keyword: filled}))
    assert not judge(png_with({keyword: f"{filled} "}))


def test_a_graph_that_goes_in_circles_is_walked_once() -> None:
    graph = json.loads(comfyui())
    nodes = {
        str(node): {"class_type": "x", "inputs": {str(link): [f"x{(node + link) % 2000}", 0] for link in range(1, 20)}}
        for node in range(2000)
    }
    graph |= {f"x{node}": each for node, each in nodes.items()}
    graph["1"]["inputs"] |= {link: ["x1", 0] for link in ("positive", "negative", "model", "latent_image")}
    assert judge(png_with({"prompt": json.dumps(graph)}))


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))
PACKETS = [
    f"<!DOCTYPE x [{ENTITIES}]><x xmlns:d='{DARKROOM}'><d:Parameters>&e9;</d:Parameters></x>",
    f"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x xmlns:d='{DARKROOM}'/>",
    "<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/'> %p;]><x/>",
    "<a>" * 100_000,
    "<a " + " ".join(f"a{n}=''" for n in range(50_000)) + "/>",
    "\0\ufffe",
    f"<x xmlns:d='{DARKROOM}'>" + "<d:Parameters>{}</d:Parameters>" * 10_000 + "</x>",
]


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet[:30])
def test_a_hostile_packet_says_nothing(packet: str) -> None:
    assert not judge(png_with_xmp(packet.encode()))


def test_the_service_refuses_hostile_files_and_lives(service: Service) -> None:
    files = [
        png_with_xmp(PACKETS[0].encode()),
        png_of((b"zTXt", packed(30 * 2**20))),
        png_of(*[(b"tEXt", b"")] * 100_000),
        b"\xff\xd8" + b"\xff\xe1\0\x09Exif\0\0A" * 1_000_000,
        b"\xff\xd8" + b"\xff" * 10_000_000,
        b"\xff\xd8\xff\xe1\xff\xffhttp://ns.adobe.com/xap/1.0/\0" + b"<a>" * (MAX_PACKET_BYTES // 3),
        SAMPLES["png"][:-1] + b"\xff\xff\xff\xff" * 100,
    ]
    for content in files:
        answer = service.http.post("/inspect", content=content, headers={"Content-Type": "application/octet-stream"})
        assert answer.status_code in (200, 422), answer.text
    assert service.http.get("/livez").status_code == 200
