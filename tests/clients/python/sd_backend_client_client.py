"""sd-backend-client, which checks every answer: argv are the service's URL, a key and a folder for the pictures."""

import json
import sys
import time
from pathlib import Path

from sd_backend_client import A1111Webservice, GenerationError, connect_to_backend
from sd_backend_client.api.webui.diffusion_request_body import DiffusionRequestBody

url, key, folder = sys.argv[1:]
backend = connect_to_backend(url, credentials_provider=lambda: ("anybody", key))
assert isinstance(backend, A1111Webservice)
told = {
    "capabilities": vars(backend.get_capabilities()),
    "checkpoints": [each.name for each in backend.list_checkpoints()],
    "samplers": [each.name for each in backend.list_samplers()],
    "schedulers": [each.name for each in backend.list_schedulers()],
    "nothing": [
        *(backend.list_vaes(), backend.list_loras(), backend.list_hypernetworks(), backend.list_upscalers()),
        *(backend.list_controlnet_models(), backend.get_latent_upscale_modes(), backend.get_script_info()),
    ],
    "styles": len(backend.get_styles()),
}
backend.set_config({"sd_model_checkpoint": "pocket"})
backend.refresh_checkpoints()
backend.refresh_vae()
backend.refresh_loras()
told["model"] = backend.get_config()["sd_model_checkpoint"]

asked = DiffusionRequestBody(
    prompt="a fox", seed=7, steps=20, width=128, height=64, batch_size=3, sd_model_name="pocket", sampler="dpmpp_2m"
)
drawn = backend.submit_txt2img(asked).wait(timeout=60)
drawn.images[2].save(Path(folder) / "2.png")
told |= {"seeds": drawn.seeds, "sizes": [each.size for each in drawn.images], "info": drawn.raw_info.model_dump()}

long = backend.submit_txt2img(DiffusionRequestBody(prompt="a fox", steps=100, n_iter=8, batch_size=2))
while not ((now := long.poll()).preview and now.progress):
    time.sleep(0.05)
told |= {"progress": now.progress, "preview": now.preview.size, "cancel": long.cancel()}
try:
    long.wait(timeout=60)
except GenerationError as error:
    told["ended"] = error.status.value
print(json.dumps(told, default=str))
