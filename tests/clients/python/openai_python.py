"""What openai-python does with the service. Arguments: URL, key, folder, and a key that allows one submit a minute."""

import asyncio
import base64
import hashlib
import io
import json
import sys
import threading
import time
from typing import Any

import httpx2
import openai
from PIL import Image

url, key, _, limited_key = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=2)
PROMPT = "a photo of a fox on a blue background"
few_steps = {"num_inference_steps": 2}


def decoded(text: str | None) -> tuple[str | None, tuple[int, int]]:
    image = Image.open(io.BytesIO(base64.b64decode(text or "")))
    image.load()
    return image.format, image.size


def error_of(call: Any) -> dict[str, Any]:
    """What the client makes of an error."""
    try:
        call()
    except openai.APIError as error:
        status = getattr(error, "status_code", None)
        told = {"class": type(error).__name__, "status": status, "code": error.code, "param": error.param}
        return told | {"type": error.type, "named": bool(getattr(error, "request_id", None))}
    raise AssertionError("no error")


def generate(**fields: Any) -> openai.types.ImagesResponse:
    extra = few_steps | fields.pop("extra_body", {})
    return client.images.generate(**{"prompt": PROMPT, "model": "pocket"} | fields, extra_body=extra)


async def at_once() -> list[Any]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key) as several:
        answers = await asyncio.gather(
            *(
                several.images.generate(prompt=PROMPT, output_format=output_format, extra_body=few_steps)
                for output_format in ("jpeg", "webp")
            )
        )
    return [[answer.output_format, *decoded(answer.data[0].b64_json)] for answer in answers]


def streamed() -> dict[str, Any]:
    stream = client.images.generate(
        prompt=PROMPT, stream=True, partial_images=2, size="256x256", extra_body={"num_inference_steps": 40}
    )
    events = list(stream)
    types = [event.type for event in events]
    return {
        "partials": types.count("image_generation.partial_image"),
        "last": type(events[-1]).__name__,
        "completed": types.count("image_generation.completed"),
        "pictures": [decoded(event.b64_json) for event in events],
        "tokens": events[-1].usage.total_tokens,
    }


def native(method: str, path: str) -> Any:
    return httpx2.request(method, url + path, headers={"Authorization": f"Bearer {key}"}).json()


def cancel_soon() -> None:
    """The job of this client that runs next."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for job in native("GET", "/jobs?label=dialect:openai&status=running&status=queued")["jobs"]:
            native("POST", f"/jobs/{job['id']}/cancel")
            return
        time.sleep(0.05)


def canceled(**fields: Any) -> dict[str, Any]:
    long = {"prompt": PROMPT, "n": 8, "size": "256x256", "extra_body": {"num_inference_steps": 100}} | fields
    canceling = threading.Thread(target=cancel_soon)
    canceling.start()
    error = error_of(lambda: list(client.images.generate(**long)))
    canceling.join()
    return error


first = generate(n=2, size="64x128", extra_body={"seed": 7})
again = generate(n=2, size="64x128", extra_body={"seed": 7})
by_url = generate(response_format="url", output_format="jpeg")
fetched = httpx2.get(by_url.data[0].url)
with client.images.with_streaming_response.generate(prompt=PROMPT, extra_body=few_steps) as response:
    read_in_pieces = decoded(json.loads(b"".join(response.iter_bytes()))["data"][0]["b64_json"])
    request_id = response.headers["x-request-id"]
limited = openai.OpenAI(base_url=f"{url}/v1", api_key=limited_key, max_retries=0)
while True:  # the service looks at the file of keys every second or so
    try:
        limited.images.generate(prompt=PROMPT, extra_body=few_steps)
        break
    except openai.AuthenticationError:
        time.sleep(0.2)

print(
    json.dumps(
        {
            "models": [model.id for model in client.models.list()],
            "model": client.models.retrieve("pocket").object,
            "pictures": [decoded(image.b64_json) for image in first.data],
            "seeds": [image.seed for image in first.data],
            "same": [hashlib.sha256(image.b64_json.encode()).hexdigest() for image in first.data]
            == [hashlib.sha256(image.b64_json.encode()).hexdigest() for image in again.data],
            "about": [first.size, first.quality, first.background, first.output_format, first.usage.total_tokens],
            "request_id": first._request_id is not None and request_id is not None,
            "by_url": [by_url.data[0].b64_json, fetched.status_code, fetched.headers["content-type"]],
            "read_in_pieces": read_in_pieces,
            "at_once": asyncio.run(at_once()),
            "alias": generate(model="dall-e-3", size="1024x1024", quality="hd", style="vivid").size,
            "streamed": streamed(),
            "errors": {
                "size": error_of(lambda: generate(size="1024x1024")),
                "n": error_of(lambda: generate(n=99)),
                "seed": error_of(lambda: generate(extra_body={"seed": -1})),
                "model": error_of(lambda: generate(model="nope")),
                "key": error_of(lambda: client.with_options(api_key="dk_wrong").models.list()),
                "rate": error_of(lambda: limited.images.generate(prompt=PROMPT, extra_body=few_steps)),
                "edits": error_of(lambda: client.images.edit(image=b"", prompt=PROMPT)),
                "in_stream": canceled(stream=True),
                "canceled": canceled(),
            },
        }
    )
)
