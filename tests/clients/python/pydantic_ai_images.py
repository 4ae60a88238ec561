"""What pydantic-ai does with the service, whose policy refuses guns. Arguments: URL, key, folder."""

import json
import sys

from pydantic_ai.exceptions import ContentFilterError, ModelHTTPError
from pydantic_ai.images import ImageGenerator
from pydantic_ai.images.openai import OpenAIImageGenerationModel
from pydantic_ai.providers.openai import OpenAIProvider

url, key, _ = sys.argv[1:]


def generator(model: str) -> ImageGenerator:
    return ImageGenerator(OpenAIImageGenerationModel(model, provider=OpenAIProvider(f"{url}/v1", api_key=key)))


def error_of(model: str, prompt: str, **settings: object) -> list[object]:
    try:
        generator(model).generate_sync(prompt, settings=settings)
    except ContentFilterError as error:
        return [type(error).__name__, json.loads(error.body or "{}").get("code")]
    except ModelHTTPError as error:
        return [type(error).__name__, error.status_code, error.body["param"]]
    raise AssertionError("no error")


def told(model: str, **settings: object) -> list[object]:
    extra = {"seed": 7, "num_inference_steps": 2}
    result = generator(model).generate_sync("a photo of a fox", settings=settings | {"extra_body": extra})
    return [[image.content.media_type for image in result.images], result.provider_details["size"]]


print(
    json.dumps(
        {
            "own": told("pocket", openai_n=2, openai_size="64x128", openai_output_format="webp"),
            "alias": told("gpt-image-2", openai_size="1024x1024", openai_quality="low", openai_moderation="low"),
            "refused": error_of("pocket", "a fox with a gun"),
            "size": error_of("pocket", "a fox", openai_size="1024x1024"),
        }
    )
)
