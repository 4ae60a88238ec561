"""What is drawn for a request: the one way from what a client asks for to parameters that leave nothing open.

Knows the models on offer; knows nothing of HTTP or Redis.
"""

import secrets

from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, JobRequest, highest_seed


class Completion:
    """Chooses the model and fills in what a request leaves open."""

    def __init__(self, catalog: ModelCatalog, *, embed_parameters: bool) -> None:
        self._catalog = catalog
        self._embed_parameters = embed_parameters

    def complete(self, request: JobRequest, seed: int) -> GenerationParameters:
        """The effective parameters; `seed` is used where the request names none. Raises ParametersRefused."""
        if request.embed_parameters is None:
            request = request.model_copy(update={"embed_parameters": self._embed_parameters})
        return self._catalog.choose(request.model).complete(request, seed)


def draw_seed(num_images_per_prompt: int) -> int:
    """One at random, from which so many images can count up."""
    return secrets.randbelow(highest_seed(num_images_per_prompt) + 1)
