import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contract.image_file import CONTENT_TYPES, encode_image
from contract.parameters import GenerationParameters, OutputFormat
from contract.provenance import MADE_BY_AI, Provenance, provenance_of, read_provenance
from contract.xmp import DARKROOM, IPTC, MAX_PACKET_BYTES, read_xmp
from tests.metadata_readers import read_with_exiftool, read_with_sd_parsers

PARAMETERS = GenerationParameters(
    prompt="a fox",
    negative_prompt="blurry",
    model="pocket",
    width=64,
    height=72,
    num_inference_steps=20,
    guidance_scale=4.5,
    num_images_per_prompt=2,
    seed=41,
    scheduler="DPM++ 2M Karras",
    output_format="png",
)
IMAGE = Image.linear_gradient("L").resize((64, 72)).convert("RGB")
FORMATS = list(CONTENT_TYPES)
AWKWARD = [
    "ein Füchslein",
    "狐 🦊",
    'a "fox", <b>&amp; \\ {"x": 1} ]]> -->',
    "a\r\nb\nc\td\r\n",
    "a fox\nNegative prompt: b\nSteps: 1, Sampler: Euler, Seed: 3",
    "\x80 \u2028 \ufffe\uffff \ufeff",
]


def encode(output_format: OutputFormat, *, mark_ai: bool = True, **changes: Any) -> bytes:
    parameters = PARAMETERS.model_copy(update={"output_format": output_format, **changes})
    return encode_image(IMAGE, parameters, 1, mark_ai=mark_ai)


def packet(content: bytes) -> bytes | None:
    with Image.open(io.BytesIO(content)) as image:
        found: bytes | None = image.info.get("xmp")
        return found


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_bytes_are_a_picture_of_the_format_asked_for(output_format: OutputFormat) -> None:
    content = encode(output_format)
    with Image.open(io.BytesIO(content)) as image:
        assert Image.MIME[image.format or ""] == CONTENT_TYPES[output_format]
        assert image.size == (64, 72)
        if output_format == "png":
            assert image.convert("RGB").tobytes() == IMAGE.tobytes()


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, "Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4.5, Seed: 42, Size: 64x72, Model: pocket, "),
        ({"scheduler": "Euler a"}, "Sampler: Euler a, Schedule type: Automatic, "),
        ({"scheduler": "Euler a SGM Uniform"}, "Sampler: Euler a, Schedule type: SGM Uniform, "),
        ({"scheduler": "Flow Euler"}, "Sampler: Euler, Schedule type: Automatic, "),
        ({"clip_skip": 1}, "Model: pocket, Clip skip: 2, Version: Darkroom"),
        ({"model": 'a, "b": c'}, r'Model: "a, \"b\": c", Version'),
    ],
)
def test_the_text_names_what_other_tools_know(changes: dict[str, Any], lines: str) -> None:
    with Image.open(io.BytesIO(encode("png", **changes))) as image:
        assert image.info["parameters"].startswith("a fox\nNegative prompt: blurry\nSteps: 20, Sampler: ")
        assert lines in image.info["parameters"]
        assert image.info["parameters"].endswith(", Version: Darkroom")


def test_the_line_of_the_negative_prompt_is_always_there() -> None:
    with Image.open(io.BytesIO(encode("png", negative_prompt=""))) as image:
        assert image.info["parameters"].startswith("a fox\nNegative prompt: \nSteps: ")


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("words", AWKWARD)
def test_the_parameters_come_back_exactly(output_format: OutputFormat, words: str) -> None:
    parameters = PARAMETERS.model_copy(
        update={"output_format": output_format, "prompt": words, "negative_prompt": words, "clip_skip": 2}
    )
    xmp = packet(encode_image(IMAGE, parameters, 1))
    assert xmp is not None
    assert read_provenance(xmp) == Provenance("Darkroom, model pocket", parameters, 1)
    assert read_xmp(xmp)[IPTC, "AIPromptInformation"] == words.replace("\ufffe\uffff", "\ufffd\ufffd")


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize(
    ("prompt", "negative_prompt"),
    [("&" * 4000, "\ufffe" * 4000), ("a" + "\r" * 3999, "<" * 4000), ("🦊" * 4000, "🦊" * 4000)],
)
def test_the_longest_prompts_fit_into_every_format(
    output_format: OutputFormat, prompt: str, negative_prompt: str
) -> None:
    long = {"prompt": prompt, "negative_prompt": negative_prompt, "model": "m" * 100, "scheduler": "s" * 100}
    parameters = PARAMETERS.model_copy(update={"output_format": output_format, **long})
    xmp = packet(encode_image(IMAGE, parameters, 1))
    assert xmp is not None
    assert len(xmp) <= MAX_PACKET_BYTES
    assert read_provenance(xmp).parameters == parameters
    assert read_xmp(xmp)[IPTC, "AIPromptInformation"] == prompt


def test_where_parameters_take_more_room_the_prompt_for_people_is_cut() -> None:
    parameters = PARAMETERS.model_copy(update={"prompt": "&" * 4000, "negative_prompt": "\ufffe" * 4000})
    xmp = provenance_of(parameters.model_copy(update={"model": "m" * 1000}), 1, mark_ai=True).xmp
    assert xmp is not None
    assert MAX_PACKET_BYTES - 300 < len(xmp) <= MAX_PACKET_BYTES
    properties = read_xmp(xmp)
    assert json.loads(properties[DARKROOM, "Parameters"])["negative_prompt"] == "\ufffe" * 4000
    assert 0 < len(properties[IPTC, "AIPromptInformation"]) < 4000


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("words", AWKWARD[:4])
def test_exiftool_and_sd_parsers_read_what_was_written(tmp_path: Path, output_format: OutputFormat, words: str) -> None:
    file = tmp_path / f"image.{output_format}"
    file.write_bytes(encode(output_format, prompt=words))
    tags = read_with_exiftool(file)
    assert tags["XMP-iptcExt:DigitalSourceType"] == MADE_BY_AI
    assert tags["XMP-iptcExt:AISystemUsed"] == "Darkroom, model pocket"
    assert json.loads(tags["XMP-darkroom:Parameters"])["prompt"] == words
    assert tags["XMP-darkroom:ImageIndex"] == 1
    assert tags["XMP-iptcExt:AIPromptInformation"].rstrip() == words.rstrip()
    text = tags["PNG:Parameters"] if output_format == "png" else tags["ExifIFD:UserComment"]
    assert text.startswith(f"{words}\nNegative prompt: blurry\nSteps: 20, ")
    (sampler,) = read_with_sd_parsers(file).samplers
    assert [str(each) for each in sampler.prompts] == [words.strip()]
    assert sampler.parameters == {"scheduler": "Karras", "cfg_scale": "4.5", "seed": "42", "steps": "20"}


def everything_in(content: bytes) -> bytes:
    """The bytes of a file, and whatever in it is packed with zlib, and UTF-16 read as if it were ASCII."""
    starts = [found.start() for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content)]
    packed = []
    for start in starts:
        try:
            packed.append(zlib.decompressobj().decompress(content[start:]))
        except zlib.error:
            continue
    return b"\n".join([content, content.replace(b"\0", b""), *packed])


@pytest.mark.parametrize("output_format", FORMATS)
def test_without_parameters_a_file_holds_the_mark_and_nothing_of_the_request(output_format: OutputFormat) -> None:
    words = {"prompt": "ZEBRA", "negative_prompt": "GIRAFFE", "seed": 3_141_592_653}
    traces = (b"ZEBRA", b"GIRAFFE", b"3141592653", b"3141592654", b"Karras", b"Steps", b"darkroom:Parameters")
    with_all = everything_in(encode(output_format, **words))
    assert all(trace in with_all for trace in traces)
    content = encode(output_format, embed_parameters=False, **words)
    assert not [trace for trace in traces if trace in everything_in(content)]
    assert read_provenance(packet(content)) == Provenance("Darkroom, model pocket", None)
    with Image.open(io.BytesIO(content)) as image:
        assert not image.getexif()
        assert not set(image.info) & {"parameters", "exif", "comment"}


@pytest.mark.parametrize("output_format", FORMATS)
def test_without_the_mark_a_file_holds_the_parameters_and_without_both_nothing(output_format: OutputFormat) -> None:
    content = encode(output_format, mark_ai=False)
    assert b"iptc" not in content.lower()
    assert read_provenance(packet(content)).parameters is not None
    content = encode(output_format, mark_ai=False, embed_parameters=False)
    assert packet(content) is None
    assert b"arkroom" not in content


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert encode_image(IMAGE, PARAMETERS, 1) == encode_image(IMAGE.copy(), PARAMETERS, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda xmp: xmp[:-40],
        lambda xmp: xmp.replace(b"<x:xmpmeta", b'<!DOCTYPE x [<!ENTITY a "b">]><x:xmpmeta'),
        lambda xmp: xmp.replace(b'"seed":41', b'"seed":-1'),
        lambda xmp: xmp.replace(b"urn:darkroom", b"urn:other"),
        lambda xmp: xmp.replace(b"ImageIndex>1<", b"ImageIndex>x<"),
        lambda _: b"",
        lambda xmp: xmp + b" " * 2**20,
    ],
    ids=["cut off", "entities", "a seed", "a namespace", "an index", "nothing", "too long"],
)
def test_a_packet_that_is_not_as_we_write_it_gives_no_parameters(spoil: Any) -> None:
    xmp = provenance_of(PARAMETERS, 1, mark_ai=True).xmp
    assert xmp is not None
    assert read_provenance(xmp).parameters == PARAMETERS
    assert read_provenance(spoil(xmp)).parameters is None


def test_no_codec_is_looked_up_for_what_a_packet_says_of_its_encoding() -> None:
    xmp = provenance_of(PARAMETERS, 1, mark_ai=True).xmp or b""
    for encoding in (b"nonsense", b"hex", b"utf-7", b"latin-1"):
        head = b'<?xml version="1.0" encoding="' + encoding + b'"?>'
        assert read_provenance(head + xmp[xmp.index(b"<x:") :]).parameters == PARAMETERS
