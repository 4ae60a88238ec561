"""What other tools' files become here."""

import json
from typing import Any

import pytest

from contract.image_file import encode_image
from contract.model_catalog import ModelCatalog, read_model_catalog
from contract.provenance import provenance_of
from service.errors import NoParametersFound
from service.inspection.inspection import Inspection, inspect_image
from service.inspection.sampler_names import named_scheduler
from tests.conftest import ROOT
from tests.service.image_samples import jpeg_with, jpeg_with_comment_bytes, png_of, png_with, png_with_xmp, webp_with
from tests.service.pictures import drawing
from tests.submissions import PARAMETERS

CATALOG = read_model_catalog(ROOT / "models.toml")

A1111 = (
    "a (red:1.2) fox, 狐\nNegative prompt: blurry,\nlow quality\n"
    "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.5, Seed: 1234, Size: 128x192, "
    "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.4, Clip skip: 2, Version: v1.10.1"
)
FROM_A1111 = {
    "prompt": "a (red:1.2) fox, 狐",
    "negative_prompt": "blurry,\nlow quality",
    "num_inference_steps": 20,
    "guidance_scale": 7.5,
    "seed": 1234,
    "width": 128,
    "height": 192,
    "clip_skip": 1,
    "scheduler": "Euler a",
    "prompt_weighting": True,
}


def inspected(content: bytes) -> Inspection:
    return inspect_image(content, CATALOG)


def left(inspection: Inspection) -> dict[str, str]:
    return {each.name: each.value for each in inspection.unmapped}


@pytest.mark.parametrize(
    "content",
    [
        png_with({"parameters": A1111}),
        png_with({"parameters": A1111}, packed=True),
        jpeg_with(A1111),
        webp_with(A1111),
        jpeg_with_comment_bytes(b"UNICODE\0" + A1111.encode("utf-16-le")),
        png_of((b"IDAT", b""), (b"iTXt", b"parameters\0\0\0\0\0" + A1111.encode())),
    ],
    ids=["PNG", "packed", "JPEG", "WebP", "little endian", "behind the pixels"],
)
def test_a_file_of_the_web_ui_becomes_a_request(content: bytes) -> None:
    inspection = inspected(content)
    assert inspection.parameters == FROM_A1111
    assert (inspection.index, inspection.seed, inspection.software) == (0, 1234, "AUTOMATIC1111")
    assert (inspection.model, inspection.text, inspection.marked_as_ai) == ("v1-5-pruned-emaonly", A1111, False)
    assert left(inspection) == {"model": "v1-5-pruned-emaonly", "Denoising strength": "0.4"}


def test_a_model_that_is_on_offer_is_asked_for() -> None:
    inspection = inspected(png_with({"parameters": A1111.replace("v1-5-pruned-emaonly", "pocket")}))
    assert inspection.parameters == FROM_A1111 | {"model": "pocket"}


@pytest.mark.parametrize(
    ("prompt", "negative_prompt", "weighs"),
    [("a fox", "(blurry:1.4)", True), ("a fox", "[blurry]", True), ("a fox", "blurry", False)],
)
def test_brackets_of_the_web_ui_weigh_in_either_prompt(prompt: str, negative_prompt: str, weighs: bool) -> None:
    text = A1111.replace("a (red:1.2) fox, 狐", prompt).replace("blurry,\nlow quality", negative_prompt)
    parameters = inspected(png_with({"parameters": text})).parameters
    assert (parameters["prompt"], parameters["negative_prompt"]) == (prompt, negative_prompt)
    assert parameters.get("prompt_weighting", False) is weighs


def test_a_model_that_cannot_weigh_gets_the_words_without_their_brackets() -> None:
    (entry,) = CATALOG.models.values()
    plain = ModelCatalog([entry.model_copy(update={"prompt_weighting": False})])
    text = A1111.replace("a (red:1.2) fox, 狐", r"a (red:1.2) fox \(smiling\)").replace("blurry,", "[blurry],")
    inspection = inspect_image(png_with({"parameters": text}), plain)
    expected = {"prompt": "a red fox (smiling)", "negative_prompt": "blurry,\nlow quality"}
    assert inspection.parameters.items() >= expected.items()
    assert "prompt_weighting" not in inspection.parameters
    assert left(inspection)["prompt_weighting"] == "True"


@pytest.mark.parametrize(
    ("text", "prompt", "weighs"),
    [
        ("a (red:1.2) fox [grey]", r"a (red:1.2) fox \[grey\]", True),
        ("a fox [grey]", "a fox [grey]", False),
    ],
)
def test_square_brackets_are_text_in_comfyui(text: str, prompt: str, weighs: bool) -> None:
    parameters = inspected(png_with({"prompt": comfyui().replace('"a fox"', json.dumps(text))})).parameters
    assert parameters["prompt"] == prompt
    assert parameters.get("prompt_weighting", False) is weighs


@pytest.mark.parametrize(
    ("change", "into", "lost", "name"),
    [
        ("Size: 128x192", "Size: 512x512", {"width", "height"}, "width"),
        ("Size: 128x192", "Size: 100x128", {"width", "height"}, "width"),
        ("Size: 128x192", "Size: 256x192", set(), "model"),
        ("Steps: 20", "Steps: 150", {"num_inference_steps"}, "num_inference_steps"),
        ("Seed: 1234", "Seed: 18446744073709551615", {"seed"}, "seed"),
        ("Seed: 1234", "Seed: " + "9" * 5000, {"seed"}, "seed"),
        ("CFG scale: 7.5", "CFG scale: nan", {"guidance_scale"}, "guidance_scale"),
        ("Sampler: Euler a", "Sampler: DPM fast", {"scheduler"}, "sampler"),
        ("Sampler: Euler a", "Sampler: Heun", {"scheduler"}, "scheduler"),
        ("Clip skip: 2", "Clip skip: 40", {"clip_skip"}, "clip_skip"),
        ("a (red:1.2) fox", "(x)" * 1400, {"prompt"}, "prompt"),
        ("a (red:1.2) fox", "(x)\x07", {"prompt"}, "prompt"),
    ],
)
def test_what_no_request_may_have_here_is_told_and_left_out(change: str, into: str, lost: set[str], name: str) -> None:
    inspection = inspected(png_with({"parameters": A1111.replace(change, into)}))
    assert set(FROM_A1111) - set(inspection.parameters) == lost
    assert name in left(inspection)
    assert all(len(each.value) <= 200 and each.detail for each in inspection.unmapped)


def comfyui(**sampler: Any) -> str:
    inputs = {
        "seed": 5,
        "steps": 12,
        "cfg": 6,
        "sampler_name": "dpmpp_2m",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["2", 0],
        "positive": ["10", 0],
        "negative": ["5", 0],
        "latent_image": ["6", 0],
    }
    nodes = {
        "1": {"class_type": "KSampler", "inputs": inputs | sampler},
        "2": {"class_type": "LoraLoader", "inputs": {"lora_name": "x", "model": ["3", 0], "clip": ["3", 1]}},
        "3": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "pocket.safetensors"}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["2", 1]}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"text": "grey", "clip": ["2", 1]}},
        "6": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 1}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        "10": {
            "class_type": "ConditioningCombine",
            "inputs": {"clip": ["11", 0], "conditioning_1": ["4", 0], "conditioning_2": ["10", 0]},
        },
    }
    nodes["11"] = {"class_type": "String", "inputs": {"string": "not the prompt"}}
    return json.dumps(nodes)


FROM_COMFYUI = {
    "prompt": "a fox",
    "negative_prompt": "grey",
    "num_inference_steps": 12,
    "guidance_scale": 6.0,
    "seed": 5,
    "width": 128,
    "height": 64,
    "scheduler": "DPM++ 2M",
    "model": "pocket",
}
FOOOCUS = {
    "prompt": "a fox",
    "negative_prompt": "grey",
    "base_model": "juggernautXL",
    "base_model_hash": "aeb7e9e689",
    "guidance_scale": 4.0,
    "sharpness": 2.0,
    "resolution": "(128, 192)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "normal",
    "seed": "7",
    "steps": 30,
    "clip_skip": 2,
    "version": "Fooocus v2.5.5",
}
INVOKEAI = {
    "positive_prompt": "a fox",
    "negative_prompt": "grey",
    "width": 128,
    "height": 192,
    "seed": 7,
    "cfg_scale": 4.0,
    "steps": 30,
    "scheduler": "euler_a",
    "clip_skip": 1,
    "model": {"model_name": "sd-1", "base_model": "sd-1"},
}
OLD_INVOKEAI = {
    "image": {
        "prompt": [{"prompt": "a fox [grey]", "weight": 1.0}],
        "steps": 30,
        "cfg_scale": 4.0,
        "sampler": "k_euler_a",
        "width": 128,
        "height": 192,
        "seed": 7,
    },
    "model_weights": "stable-diffusion-1.5",
}
OLDEST_INVOKEAI = '"a fox [grey]" -s 30 -S 7 -W 128 -H 192 -C 4.0 -A k_euler_a'
NOVELAI = {
    "steps": 28,
    "sampler": "k_euler_ancestral",
    "seed": 7,
    "scale": 4.0,
    "uc": "grey",
    "width": 128,
    "height": 192,
}
_SAME = {"prompt": "a fox", "negative_prompt": "grey", "width": 128, "height": 192, "seed": 7, "guidance_scale": 4.0}


@pytest.mark.parametrize(
    ("texts", "software", "parameters", "unmapped"),
    [
        ({"prompt": comfyui()}, "ComfyUI", FROM_COMFYUI, {"LoraLoader", "ConditioningCombine", "String"}),
        (
            {"prompt": comfyui(scheduler="beta"), "workflow": "{}"},
            "ComfyUI",
            FROM_COMFYUI,
            {"scheduler", "LoraLoader", "ConditioningCombine", "String"},
        ),
        (
            {"prompt": comfyui(seed=["9", 0], latent_image=["99", 0])},
            "ComfyUI",
            {name: value for name, value in FROM_COMFYUI.items() if name not in ("seed", "width", "height")},
            {"seed", "LoraLoader", "ConditioningCombine", "String", "EmptyLatentImage"},
        ),
        (
            {"parameters": json.dumps(FOOOCUS)},
            "Fooocus",
            _SAME | {"num_inference_steps": 30, "scheduler": "DPM++ 2M SDE", "clip_skip": 1},
            {"model", "sharpness"},
        ),
        (
            {"invokeai_metadata": json.dumps(INVOKEAI)},
            "InvokeAI",
            _SAME | {"num_inference_steps": 30, "scheduler": "Euler a", "clip_skip": 1},
            {"model"},
        ),
        (
            {"sd-metadata": json.dumps(OLD_INVOKEAI)},
            "InvokeAI",
            _SAME | {"num_inference_steps": 30, "scheduler": "Euler a"},
            {"model"},
        ),
        ({"Dream": OLDEST_INVOKEAI}, "InvokeAI", _SAME | {"num_inference_steps": 30, "scheduler": "Euler a"}, set()),
        (
            {
                "Description": "a fox",
                "Software": "NovelAI",
                "Source": "Stable Diffusion XL 7BCCAA2C",
                "Comment": json.dumps(NOVELAI),
            },
            "NovelAI",
            _SAME | {"num_inference_steps": 28, "scheduler": "Euler a"},
            {"model"},
        ),
    ],
    ids=[
        "ComfyUI",
        "a schedule that is not ours",
        "linked values",
        "Fooocus",
        "InvokeAI",
        "old InvokeAI",
        "oldest InvokeAI",
        "NovelAI",
    ],
)
def test_other_tools_have_their_own_forms(
    texts: dict[str, str], software: str, parameters: dict[str, Any], unmapped: set[str]
) -> None:
    inspection = inspected(png_with(texts))
    assert (inspection.software, inspection.parameters) == (software, parameters)
    assert set(left(inspection)) == unmapped


def test_our_own_file_is_read_from_its_text_where_the_rest_is_gone() -> None:
    text = inspected(encode_image(drawing((64, 64)), PARAMETERS, 0)).text or ""
    inspection = inspected(png_with({"parameters": text}))
    assert inspection.software == "Darkroom"
    again = {"prompt", "model", "width", "height", "num_inference_steps", "guidance_scale", "seed", "scheduler"}
    assert inspection.parameters == {name: getattr(PARAMETERS, name) for name in again}
    assert inspection.unmapped == []


@pytest.mark.parametrize(
    ("change", "into", "name"),
    [
        ('"width":64', '"width":65', "width"),
        ('"width":64', '"labels":{}', "labels"),
        ('"width":64', '"style":"x"', "style"),
        ('"prompt":"a fox"', '"prompt":"\\ud800"', "prompt"),
        ('"model":"pocket"', '"model":"\\udfff"', "model"),
        ('"seed":1', '"seed":1e400', "seed"),
        ('"seed":1', '"\\ud800":1', "?"),
        ('"scheduler":"DDIM"', '"scheduler":{"a":[]}', "scheduler"),
        ('"output_format":"png"', '"output_format":"gif"', "output_format"),
    ],
)
def test_exact_parameters_are_judged_too(change: str, into: str, name: str) -> None:
    packet = provenance_of(PARAMETERS, 0, mark_ai=True).xmp or b""
    assert change.encode() in packet
    inspection = inspected(png_with_xmp(packet.replace(change.encode(), into.encode())))
    assert set(left(inspection)) >= {name}
    assert inspection.software == "Darkroom"
    inspection.model_dump_json()


@pytest.mark.parametrize("index", ["1", "-1", "x", "9" * 5000])
def test_an_image_that_its_job_has_not_is_not_ours(index: str) -> None:
    packet = provenance_of(PARAMETERS, 0, mark_ai=True).xmp or b""
    assert inspected(png_with_xmp(packet)).index == 0
    with pytest.raises(NoParametersFound):
        inspected(png_with_xmp(packet.replace(b"ImageIndex>0<", f"ImageIndex>{index}<".encode())))


@pytest.mark.parametrize("source", ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"])
def test_the_mark_of_others_is_seen(source: str) -> None:
    uri = f"http://cv.iptc.org/newscodes/digitalsourcetype/{source}"
    packet = f'<d xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" i:DigitalSourceType="{uri}"/>'.encode()
    with pytest.raises(NoParametersFound, match="marked as made by an AI"):
        inspected(png_with_xmp(packet))
    with pytest.raises(NoParametersFound, match=r"^It holds no"):
        inspected(png_with_xmp(packet.replace(source.encode(), b"digitalCapture")))


@pytest.mark.parametrize(
    ("sampler", "schedule", "name", "exact"),
    [
        ("DPM++ 2M Karras", "", "DPM++ 2M Karras", True),
        ("DPM++ 2M", "Karras", "DPM++ 2M Karras", True),
        ("DPM++ 2M Karras", "Karras", "DPM++ 2M Karras", True),
        ("dpmpp_2m", "sgm_uniform", "DPM++ 2M SGM Uniform", True),
        ("dpmpp_2m_sde_k", "", "DPM++ 2M SDE Karras", True),
        ("k_dpm_2_a", "", "DPM2 a", True),
        ("PLMS", "Automatic", "PNDM", True),
        ("euler", "normal", "Euler", True),
        ("LCM", "Karras", "LCM", False),
        ("euler", "beta", "Euler", False),
        ("no such", "Karras", None, True),
        ("", "", None, True),
    ],
)
def test_samplers_are_known_by_the_names_of_others(sampler: str, schedule: str, name: str | None, exact: bool) -> None:
    scheduler, spaced = named_scheduler(sampler, schedule)
    assert (scheduler and scheduler.name, spaced) == (name, exact)
