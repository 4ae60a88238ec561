"""What LiteLLM does with the service. Arguments: URL, key, folder."""

import asyncio
import base64
import json
import sys
from typing import Any

import litellm
import openai

url, key, _ = sys.argv[1:]
place = {"api_base": f"{url}/v1", "api_key": key, "prompt": "a photo of a fox on a blue background"}


def kind(text: str) -> str:
    head = base64.b64decode(text)[:4]
    return "png" if head == b"\x89PNG" else "jpeg" if head[:2] == b"\xff\xd8" else repr(head)


def error_of(**fields: Any) -> list[Any]:
    try:
        litellm.image_generation(**place | fields)
    except openai.APIError as error:  # LiteLLM's own are its subclasses
        return [type(error).__name__, getattr(error, "status_code", None)]
    raise AssertionError("no error")


own = litellm.image_generation(model="openai/pocket", n=2, size="64x128", extra_body={"seed": 7}, **place)
alias = asyncio.run(litellm.aimage_generation(model="openai/dall-e-3", size="1024x1024", **place))
by_url = litellm.image_generation(model="openai/dall-e-3", response_format="url", **place)  # it asks only these so

print(
    json.dumps(
        {
            "kinds": [kind(each.b64_json) for each in own.data],
            "size": own.size,
            "alias": [alias.size, kind(alias.data[0].b64_json)],
            "by_url": [by_url.data[0].b64_json, by_url.data[0].url.startswith(f"{url}/images/")],
            "errors": {
                "size": error_of(model="openai/pocket", size="1024x1024"),
                "model": error_of(model="openai/nope"),
                "key": error_of(model="openai/pocket", api_key="dk_wrong"),
            },
        }
    )
)
