"""styles.toml, read and checked, and what a style does to a request: words around its prompt, and a negative prompt.

Knows prompts; knows nothing of pictures: a style is text.
"""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contract.errors import ParametersRefused, Refusal
from contract.model import GuidanceKind, Model
from contract.parameters import MAX_TEXT, GenerationRequest, Name, Text
from contract.toml_tables import read_tables

_PLACE = "{prompt}"


def _with_one_place(text: str) -> str:
    if text.count(_PLACE) != 1:
        raise ValueError(f"must hold {_PLACE} once")
    return text


class Style(BaseModel):
    """An entry of styles.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    prompt: Annotated[Text, AfterValidator(_with_one_place), Field(description="with {prompt} where the words go")]
    negative_prompt: Text = ""


class StyleCatalog:
    """The styles on offer, in the order of styles.toml."""

    def __init__(self, styles: list[Style]) -> None:
        self.styles = {style.name: style for style in styles}

    def choose(self, name: str) -> Style:
        """Raises ParametersRefused for a name that is not on offer."""
        if name not in self.styles:
            names = f"one of {', '.join(self.styles)}" if self.styles else "left out: there are no styles"
            raise ParametersRefused([Refusal("/style", f"must be {names}")])
        return self.styles[name]


Request = TypeVar("Request", bound=GenerationRequest)


def apply_style(style: Style, request: Request, model: Model) -> Request:
    """The request as if its client had written the style's words, and named no style.

    The style's negative prompt goes behind the request's own, or the model's where it has none; it is left out for a
    model on which it would have no effect. Raises ParametersRefused for a prompt that gets longer than a prompt may be.
    """
    prompts = {"prompt": style.prompt.replace(_PLACE, request.prompt)}
    if style.negative_prompt and model.guidance is GuidanceKind.CLASSIFIER_FREE:
        own = model.defaults.negative_prompt if request.negative_prompt is None else request.negative_prompt
        prompts["negative_prompt"] = f"{own}, {style.negative_prompt}" if own.strip() else style.negative_prompt
    refusals = [
        Refusal(f"/{name}", f"must be at most {MAX_TEXT} characters with those of style {style.name!r}")
        for name, text in prompts.items()
        if len(text) > MAX_TEXT
    ]
    if refusals:
        raise ParametersRefused(refusals)
    return request.model_copy(update=prompts | {"style": None})


def read_style_catalog(path: Path) -> StyleCatalog:
    """The catalog in a TOML file of `[[styles]]` tables; there may be none. Raises CatalogError."""
    return StyleCatalog(read_tables(path, Style, "style", "name"))
