"""The answer for an image file: what it says of itself, and the request that would draw it again.

Whatever the file says is judged like any other request. Work is done on threads, little of it at once.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import ParametersRefused
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from contract.prompt_weights import weighted_pieces
from contract.provenance import DIGITAL_SOURCE_TYPE, IMAGE_INDEX, MADE_BY_AI, PARAMETERS
from contract.xmp import Property, read_xmp
from service.errors import InspectionsBusy, NoParametersFound
from service.inspection.exif_comment import user_comment
from service.inspection.found import Found, Unmapped, first_ones, shown, unmapped
from service.inspection.image_parts import ImageParts, read_parts
from service.inspection.other_tools import read_other_tools
from service.refusals import refusals_of

AT_ONCE = 4
"""Each holds a body of up to 32 MiB."""
TURN_SECONDS = 10.0
"""For one of them; those who have theirs may send slowly."""
_MADE_BY_AI = frozenset((MADE_BY_AI, MADE_BY_AI.replace("trained", "compositeWithTrained")))


class Inspection(BaseModel):
    """What an image file says of where it comes from."""

    model_config = ConfigDict(frozen=True)

    parameters: Annotated[dict[str, Any], Field(description="can be posted to /generate; those of the whole job")]
    index: Annotated[int, Field(description="which of the job's images this is")]
    seed: Annotated[int | None, Field(description="this image's own")]
    software: Annotated[str, Field(description="what wrote the file")]
    model: Annotated[str | None, Field(description="as the file names it, on offer here or not")]
    text: Annotated[str | None, Field(description="the parameters as AUTOMATIC1111's web UI writes them")]
    marked_as_ai: Annotated[bool, Field(description="whether it says so itself")]
    width: Annotated[int, Field(description="pixels")]
    height: Annotated[int, Field(description="pixels")]
    content_type: str
    unmapped: Annotated[list[Unmapped], Field(description="what is not among the parameters, and why")]


class Inspections:
    """One for all requests."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog
        self._turns = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """To be held while a body is read and inspected. Raises InspectionsBusy."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise InspectionsBusy("As many pictures are being sent as are taken at once.") from None
        try:
            yield
        finally:
            self._turns.release()

    async def inspect(self, content: bytes) -> Inspection:
        """Raises NotAnImage or NoParametersFound."""
        return await asyncio.to_thread(inspect_image, content, self._catalog)


def inspect_image(content: bytes, catalog: ModelCatalog) -> Inspection:
    """What the file says, judged by what is on offer. Raises NotAnImage or NoParametersFound."""
    parts = read_parts(content)
    properties = read_xmp(parts.xmp)
    marked = properties.get(DIGITAL_SOURCE_TYPE, "").strip() in _MADE_BY_AI
    texts = _texts(parts)
    found = _exact(properties) or read_other_tools(texts)
    if found is None:
        mark = "It is marked as made by an AI, but holds" if marked else "It holds"
        raise NoParametersFound(f"{mark} no parameters that Darkroom can read.")
    parameters, refused = _judged(found, catalog)
    seed = parameters.get("seed")
    return Inspection(
        parameters=parameters,
        index=found.index,
        seed=None if seed is None else seed + found.index,
        software=found.software,
        model=None if found.model is None else shown(found.model),
        text=None if found.software == "Fooocus" else texts.get("parameters"),  # which has JSON in that place
        marked_as_ai=marked,
        width=parts.width,
        height=parts.height,
        content_type=parts.content_type,
        unmapped=first_ones([*refused, *found.unmapped]),
    )


def _texts(parts: ImageParts) -> dict[str, str]:
    """By the keywords of a PNG, whatever the file is."""
    comment = user_comment(parts.exif)
    return parts.texts if comment is None else {"parameters": comment} | parts.texts


def _exact(properties: dict[Property, str]) -> Found | None:
    """What Darkroom writes."""
    try:
        fields = json.loads(properties.get(PARAMETERS, ""))
        index = int(properties.get(IMAGE_INDEX, ""))
    except (ValueError, RecursionError):
        return None
    images = fields.get("num_images_per_prompt") if isinstance(fields, dict) else None
    if not isinstance(images, int) or not 0 <= index < images:
        return None
    model = fields.get("model")
    return Found("Darkroom", fields, index, model if isinstance(model, str) else None)


def _judged(found: Found, catalog: ModelCatalog) -> tuple[dict[str, Any], list[Unmapped]]:
    """The fields that a request may have here, and the others."""
    kept: dict[str, Any] = {}
    refused: list[Unmapped] = []
    for name, value in found.fields.items():
        if name in GenerationParameters.model_fields:
            kept[name] = value
        else:
            refused.append(unmapped(name, value, "no field of a request that a file can hold"))
    if found.model is not None:
        kept["model"] = found.model.removesuffix(".safetensors").removesuffix(".ckpt")
    while problems := _problems(kept, catalog):
        # What is left may be refused for a default beside it: then nothing of it can stay.
        for name in [name for name in kept if name in problems] or list(kept):
            value = kept.pop(name)
            refused.append(unmapped(name, value, problems.get(name, "not allowed together with the rest")))
            if name == "prompt_weighting" and value is True:
                kept |= _without_brackets(kept)
    return kept, refused


def _without_brackets(fields: dict[str, Any]) -> dict[str, str]:
    """The words of prompts whose brackets would be text where they cannot weigh."""
    prompts = {name: fields[name] for name in ("prompt", "negative_prompt") if name in fields}
    return {name: "".join(piece.text for piece in weighted_pieces(text)) for name, text in prompts.items()}


def _problems(fields: dict[str, Any], catalog: ModelCatalog) -> dict[str, str]:
    """What of it is refused, by field, and why. A width and a height stand and fall together."""
    try:
        request = GenerationRequest.model_validate({"prompt": "any"} | fields)
        catalog.choose(request.model).complete(request, seed=0)
        return {}
    except ValidationError as error:
        refusals = refusals_of(error)
    except ParametersRefused as error:
        refusals = error.refusals
    problems = {each.pointer.split("/")[1]: each.detail for each in refusals}
    side = problems.get("width") or problems.get("height")
    return {"width": side, "height": side} | problems if side else problems
