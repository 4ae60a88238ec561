"""What is drawn for a request: the one way from what a client asks for to parameters that leave nothing open.

Knows the models and styles on offer; knows nothing of HTTP or Redis.
"""

import secrets
from dataclasses import dataclass

from contract.batching import batch_key
from contract.job import AppliedStyle
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, JobRequest, highest_seed
from service.styles import StyleCatalog, apply_style


@dataclass(frozen=True)
class Completed:
    """`style` is what was asked for before the style was applied; None without one.

    Jobs of one `batch_key` can be drawn together.
    """

    parameters: GenerationParameters
    batch_key: str
    style: AppliedStyle | None = None


class Completion:
    """Chooses the model, applies the style, and fills in what a request leaves open."""

    def __init__(self, catalog: ModelCatalog, styles: StyleCatalog, *, embed_parameters: bool) -> None:
        self._catalog = catalog
        self._styles = styles
        self._embed_parameters = embed_parameters

    def complete(self, request: JobRequest, seed: int) -> Completed:
        """The effective parameters; `seed` is used where the request names none. Raises ParametersRefused."""
        if request.embed_parameters is None:
            request = request.model_copy(update={"embed_parameters": self._embed_parameters})
        model = self._catalog.choose(request.model)
        asked = None
        if request.style is not None:
            asked = AppliedStyle(name=request.style, prompt=request.prompt, negative_prompt=request.negative_prompt)
            request = apply_style(self._styles.choose(request.style), request, model)
        parameters = model.complete(request, seed)
        return Completed(parameters, batch_key(model, parameters), asked)


def draw_seed(num_images_per_prompt: int) -> int:
    """One at random, from which so many images can count up."""
    return secrets.randbelow(highest_seed(num_images_per_prompt) + 1)
