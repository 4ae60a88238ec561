"""`python -m tests.compile.warm_up MODEL`: what a worker does before it is ready, and one job; prints what came of it.

Compiled by a real compiler, on a CPU that stands for a card. Settings from the environment, as `python -m worker`
reads them.
"""

import json
import sys
import time
from pathlib import Path

from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest
from contract.settings import read_settings
from worker.settings import WorkerSettings, configure_compiler, configure_libraries

configure_libraries()
SETTINGS = read_settings(WorkerSettings)
configure_compiler(SETTINGS)

import torch  # noqa: E402  # now that the environment says where code is kept
from torch._dynamo.utils import counters  # noqa: E402

from tests.worker.drawing import CARD, difference, ignore  # noqa: E402
from worker.denoise import Denoiser  # noqa: E402

ENTRY = {
    "id": "shallow",
    "defaults": {
        "width": 64,
        "height": 64,
        "num_inference_steps": 3,
        "guidance_scale": 7.5,
        "scheduler": "DPM++ 2M Karras",
    },
    "limits": {"pixels": 4096, "num_inference_steps": 3, "num_images_per_prompt": 4},
}


def main(folder: Path) -> dict[str, object]:
    model = Model.model_validate(ENTRY | {"source": str(folder)})
    draw = Denoiser(ModelCatalog([model]), SETTINGS, CARD)
    started = time.perf_counter()
    draw.warm_up()
    seconds = time.perf_counter() - started
    parameters = model.complete(GenerationRequest(prompt="a fox"), 1)
    drawn = draw(parameters, ignore)
    with torch.compiler.set_stance("force_eager"):
        eager = draw(parameters, ignore)
    return {
        "seconds": seconds,
        "graphs": counters["stats"]["unique_graphs"],
        "found": counters["inductor"]["fxgraph_cache_hit"],
        "difference": difference(drawn, eager),
        "same": drawn.images[0].tobytes() == eager.images[0].tobytes(),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
