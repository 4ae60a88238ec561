"""What other tools wrote into a file, in our names: AUTOMATIC1111's web UI, ComfyUI, Fooocus, InvokeAI, NovelAI.

sd-parsers knows their forms, but for ComfyUI's; it gets bounded texts only, never the file. Our own files are read like
the web UI's where their exact parameters are gone.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sd_parsers.data import Generators, PromptInfo, Sampler
from sd_parsers.exceptions import ParserError
from sd_parsers.parsers import AUTOMATIC1111Parser, FooocusParser, InvokeAIParser, NovelAIParser, Parser

from service.inspection.comfyui import read_comfyui
from service.inspection.found import Found, Unmapped, unmapped
from service.inspection.sampler_names import named_scheduler

_PARSERS: tuple[Parser, ...] = tuple(
    each() for each in (FooocusParser, AUTOMATIC1111Parser, InvokeAIParser, NovelAIParser)
)
"""In sd-parsers' own order."""
_MALFORMED = (ParserError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What its parsers raise for texts that are not as they expect them."""
_MAX_TEXT = 16_384
_MAX_TEXTS = {"Dream": 4096, "Source": 256}
"""Characters: they are searched with regular expressions, whose time grows with the square of the length or faster."""

_LIKE_THE_WEB_UI = frozenset((Generators.AUTOMATIC1111, Generators.FOOOCUS))
"""Whose clip skip leaves no layer out where it is 1."""
_BRACKETS = {each.value: "()[]" for each in _LIKE_THE_WEB_UI} | {Generators.COMFYUI.value: "()"}
"""Which ones weigh words, by the software."""
_NUMBERS = {"num_inference_steps": ("steps", int), "guidance_scale": ("cfg_scale", float), "seed": ("seed", int)}
_SILENT = frozenset(("version", "model_hash", "hashes", "full_prompt", "full_negative_prompt"))
_NOTHING_LIKE_IT = "no field of a request is like it"


def read_other_tools(texts: Mapping[str, str]) -> Found | None:
    """What the first parser that understands the texts says; None where none does."""
    found = _first(texts)
    if found and found.software in _BRACKETS:
        _weigh(found.fields, _BRACKETS[found.software])
    return found


def _weigh(fields: dict[str, Any], brackets: str) -> None:
    """Says that brackets weigh where there are such as do there; others become text."""
    texts = {name: fields[name] for name in ("prompt", "negative_prompt") if name in fields}
    if any(mark in text for text in texts.values() for mark in brackets):
        plain = {ord(mark): f"\\{mark}" for mark in "()[]" if mark not in brackets}
        fields |= {name: text.translate(plain) for name, text in texts.items()}
        fields["prompt_weighting"] = True


def _first(texts: Mapping[str, str]) -> Found | None:
    short = {name: text for name, text in texts.items() if len(text) <= _MAX_TEXTS.get(name, _MAX_TEXT)}
    for parser in _PARSERS:
        with suppress(*_MALFORMED):
            info = parser.parse(dict(short))
            return _found(info, info.samplers[0])
    with suppress(*_MALFORMED):
        return read_comfyui(texts.get("prompt", ""))
    return None


def _found(info: PromptInfo, sampler: Sampler) -> Found:
    values = {_key(name): (name, value) for name, value in [*info.metadata.items(), *sampler.parameters.items()]}
    fields: dict[str, Any] = {}
    for name, prompts in (("prompt", sampler.prompts), ("negative_prompt", sampler.negative_prompts)):
        if prompts:
            fields[name] = ", ".join(str(each) for each in prompts)
    for name, (key, kind) in _NUMBERS.items():
        if key in values:
            fields[name] = _number(values.pop(key)[1], kind)
    fields |= _size(values) | _clip_skip(values, info.generator)
    left = _scheduler(fields, sampler, values)
    if len(info.samplers) > 1:
        left.append(unmapped("samplers", len(info.samplers), "the first one is shown"))
    software = "Darkroom" if values.get("version", ("", ""))[1] == "Darkroom" else info.generator.value
    left += [unmapped(name, value, _NOTHING_LIKE_IT) for key, (name, value) in values.items() if key not in _SILENT]
    model = sampler.model.name if sampler.model else None
    return Found(software, fields, model=str(model) if model else None, unmapped=left)


def _key(name: object) -> str:
    return str(name).lower().replace(" ", "_")


_Values = dict[str, tuple[object, Any]]
"""By a name in lower case: the name as it stands there, and the value."""


def _number(value: object, kind: type[int] | type[float]) -> object:
    """The number that it is or says; otherwise itself, which is then refused by name."""
    try:
        return kind(str(value))
    except ValueError:
        return value


def _size(values: _Values) -> dict[str, object]:
    """From `Size: 512x512`, `resolution: (512, 512)`, or a width and a height."""
    for key in ("size", "resolution"):
        numbers = re.findall(r"\d{1,6}", str(values.get(key, ("", ""))[1])[:100])
        if len(numbers) == 2:
            del values[key]
            return {"width": int(numbers[0]), "height": int(numbers[1])}
    return {key: _number(values.pop(key)[1], int) for key in ("width", "height") if key in values}


def _clip_skip(values: _Values, generator: Generators) -> dict[str, object]:
    if "clip_skip" not in values:
        return {}
    number = _number(values.pop("clip_skip")[1], int)
    return {"clip_skip": max(0, number - 1) if isinstance(number, int) and generator in _LIKE_THE_WEB_UI else number}


def _scheduler(fields: dict[str, Any], sampler: Sampler, values: _Values) -> list[Unmapped]:
    """Puts the scheduler among the fields; what of it has no name here is the answer."""
    schedule = str(values.pop("scheduler", values.pop("noise_schedule", ("", "")))[1])
    scheduler, exact = named_scheduler(str(sampler.name), schedule)
    if scheduler is None:
        return [unmapped("sampler", sampler.name, "no scheduler has that name")]
    fields["scheduler"] = scheduler.name
    return [] if exact else [unmapped("schedule type", schedule, f"{scheduler.name} does not come with it")]
