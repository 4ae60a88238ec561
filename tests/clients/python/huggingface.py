"""huggingface_hub's InferenceClient at a URL of ours. Arguments: the service's URL, a key, a folder."""

import asyncio
import json
import sys
from pathlib import Path

from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

url, key, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
PROMPT = "a photo of a fox on a blue background"
client = InferenceClient(model=f"{url}/huggingface", token=key)
told = {}

picture = client.text_to_image(
    PROMPT,
    negative_prompt="blurry",
    width=128,
    height=64,
    num_inference_steps=4,
    guidance_scale=3,
    scheduler="DDIMScheduler",
    seed=7,
)
picture.save(folder / "fox.png")
told["picture"] = [picture.format, picture.size]
named = InferenceClient(token=key).text_to_image(
    PROMPT, model=f"{url}/huggingface/models/pocket", num_inference_steps=4
)
told["named"] = named.format
as_webp = client.text_to_image(PROMPT, num_inference_steps=4, extra_body={"output_format": "webp"})
told["webp"] = as_webp.format


async def asynchronously():
    return (await AsyncInferenceClient(model=f"{url}/huggingface", token=key).text_to_image(PROMPT, seed=7)).size


told["async"] = asyncio.run(asynchronously())
for name, call in {
    "out_of_bounds": lambda: client.text_to_image(PROMPT, width=4096),
    "no_key": lambda: InferenceClient(model=f"{url}/huggingface", token="nobody").text_to_image(PROMPT),
}.items():
    try:
        call()
    except HfHubHTTPError as error:
        told[name] = [error.response.status_code, str(error)]
try:  # it hangs up after 0.3 seconds
    InferenceClient(model=f"{url}/huggingface", token=key, timeout=0.3).text_to_image(
        PROMPT, width=256, height=256, num_inference_steps=100, seed=4242
    )
except InferenceTimeoutError as error:
    told["hung_up"] = type(error).__name__
print(json.dumps(told))
