"""A model's id as a part of a path. Knows which text may be one; knows nothing of the models on offer."""

from starlette.convertors import Convertor, register_url_convertor

MODEL_ID = "{model_id:model_id}"
"""In the path of a route, for its parameter `model_id`."""


class _ModelId(Convertor[str]):
    """An id may hold slashes, though none at its end; what Replicate's API has under a model is no id."""

    regex = r"(?![^/]+/[^/]+/(?:predictions|versions)$)[^/](?:.*[^/])?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("model_id", _ModelId())
