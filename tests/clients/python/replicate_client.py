"""replicate-python: what a script does with it, from run() to webhooks.

Arguments: the service's URL, a key, a folder.
"""

import asyncio
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import replicate
from replicate.exceptions import ReplicateError
from replicate.pagination import paginate

url, key, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
client = replicate.Client(api_token=key, base_url=url)
FOX = {"prompt": "a photo of a fox on a blue background", "num_inference_steps": 4, "seed": 7}
SLOW = {**FOX, "num_inference_steps": 100, "width": 256, "height": 256}
MODEL = "darkroom/pocket"
told = {}


class Receiver(BaseHTTPRequestHandler):
    received = []  # noqa: RUF012

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.received.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
Thread(target=server.serve_forever, daemon=True).start()

# run, by name and by version
outputs = client.run(MODEL, input={**FOX, "num_outputs": 2, "output_format": "webp"})
for number, output in enumerate(outputs):
    (folder / f"{number}.webp").write_bytes(output.read())
told["files"] = [type(output).__name__ for output in outputs]
told["of_version"] = len(client.run(f"{MODEL}:pocket", input=FOX)[0].read())
# a wait that runs out: run() then polls
told["after_polling"] = len(client.run(MODEL, input=SLOW, wait=1)[0].read())

# predictions, with a webhook
prediction = client.predictions.create(
    model=MODEL,
    input=FOX,
    webhook=f"http://127.0.0.1:{server.server_port}/hook",
    webhook_events_filter=["start", "completed"],
)
told["created"] = prediction.status
prediction.wait()
told["ended"] = prediction.status
told["progress"] = [prediction.progress.current, prediction.progress.total, prediction.progress.percentage]
told["metrics"] = sorted(prediction.metrics)
told["again"] = client.predictions.get(prediction.id).input == prediction.input

# cancel
slow = client.predictions.create(version="pocket", input=SLOW)
slow.cancel()
told["canceled"] = slow.status

# stream
events = list(client.stream(MODEL, input=FOX))
told["stream"] = sorted({event.event.value for event in events})
told["stream_output"] = [type(event.data).__name__ for event in events if event.event.value == "output"]
told["last"] = [events[-1].event.value, events[-1].data]

# lists
told["pages"] = [len(page.results) for page in paginate(client.predictions.list)]


async def asynchronously():
    output = await client.async_run(MODEL, input=FOX)
    waiting = await client.predictions.async_create(version="pocket", input=FOX)
    await waiting.async_wait()
    return [len(await output[0].aread()), waiting.status, len((await client.predictions.async_list()).results)]


told["async"] = asyncio.run(asynchronously())

# errors
for name, call in {
    "unknown_model": lambda: client.run("stability-ai/sdxl", input=FOX),
    "unknown_version": lambda: client.predictions.create(version="39ed52f2", input=FOX),
    "out_of_bounds": lambda: client.run(MODEL, input={**FOX, "width": 4096}),
    "no_key": lambda: replicate.Client(api_token="nobody", base_url=url).predictions.get(prediction.id),
}.items():
    try:
        call()
    except ReplicateError as error:
        told[name] = [error.status, error.detail]

# webhooks
while len(Receiver.received) < 2:
    time.sleep(0.05)
secret = client.webhooks.default.secret()
for headers, body in Receiver.received:
    replicate.client.Webhooks.validate(headers=headers, body=body, secret=secret, tolerance=300)
try:
    replicate.client.Webhooks.validate(headers=Receiver.received[0][0], body="{}", secret=secret)
except ValueError as error:
    told["forged"] = type(error).__name__
told["webhooks"] = [json.loads(body)["id"] == prediction.id for _, body in Receiver.received]
told["webhook_statuses"] = sorted({json.loads(body)["status"] for _, body in Receiver.received})
print(json.dumps(told))
