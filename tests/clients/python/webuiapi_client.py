"""webuiapi: argv are the service's URL, a key and a folder for the pictures."""

import json
import sys
import threading
import time
from pathlib import Path

from webuiapi import WebUIApi

url, key, folder = sys.argv[1:]
api = WebUIApi(baseurl=f"{url}/sdapi/v1", username="anybody", password=key, sampler="DDIM", steps=4)
told = {
    "models": api.util_get_model_names(),
    "samplers": api.util_get_sampler_names(),
    "schedulers": api.util_get_scheduler_names(),
    "styles": [each["name"] for each in api.get_prompt_styles()],
    "nothing": [api.get_upscalers(), api.get_loras(), api.get_sd_vae(), api.get_embeddings(), api.get_memory()],
}
api.util_set_model("pocket")
api.util_wait_for_ready(check_interval=0.1)
told["model"] = api.util_get_current_model()

drawn = api.txt2img(
    prompt="a fox", negative_prompt="ugly", seed=42, width=96, height=64, batch_size=2, n_iter=2, cfg_scale=4
)
drawn.images[1].save(Path(folder) / "1.png")
told |= {"sizes": [each.size for each in drawn.images], "info": drawn.info, "parameters": drawn.parameters}
read = api.png_info(drawn.images[1])
told["read"] = {"info": read.info, "parameters": read.parameters}

answers = []
waiting = threading.Thread(target=lambda: answers.append(api.txt2img(prompt="a fox", steps=100, n_iter=8)))
waiting.start()
while not (progress := api.get_progress())["state"]["sampling_step"]:
    time.sleep(0.05)
api.interrupt()
waiting.join(60)
told |= {"progress": progress, "interrupted": [len(each.images) for each in answers]}
try:
    api.interrogate(drawn.images[0])
except RuntimeError as error:
    told["interrogate"] = error.args[0]
stranger = WebUIApi(baseurl=f"{url}/sdapi/v1", username="anybody", password="wrong")
try:
    stranger.txt2img(prompt="a fox")
except RuntimeError as error:
    told["stranger"] = error.args
print(json.dumps(told))
