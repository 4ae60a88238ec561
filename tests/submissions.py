"""What submit.lua takes, where a test submits past the service."""

import json
from typing import Any

from contract.parameters import GenerationParameters

OWNER = "anonymous"
"""Whose jobs those of a service without keys are."""
PARAMETERS = GenerationParameters(
    prompt="a fox",
    negative_prompt="",
    model="pocket",
    width=64,
    height=64,
    num_inference_steps=2,
    guidance_scale=1.0,
    num_images_per_prompt=1,
    seed=1,
    scheduler="DDIM",
    output_format="png",
)


def submission(job_id: str, **changes: Any) -> str:
    """What submit.lua takes, without any owner's bounds."""
    job = {
        "id": job_id,
        "model": PARAMETERS.model,
        "parameters": PARAMETERS.model_dump_json(),
        "batch_key": "",
        "image_count": 1,
        "cost": 1,
        "description": "a fox",
    }
    own = {name: changes.pop(name) for name in list(changes) if name in job}
    ask = {
        "jobs": [job | own],
        "owner": OWNER,
        "labels": "{}",
        "timeout_seconds": 600,
        "deadline_seconds": 3000,
        "retention_seconds": 3600,
        "max_queued": 10_000,
    }
    return json.dumps(ask | changes)


def grid_submission(grid_id: str, job_ids: list[str], **changes: Any) -> str:
    """What submit.lua takes for a grid of one row; the changes are those of every cell and of the whole."""
    asks = [json.loads(submission(job_id, **changes)) for job_id in job_ids]
    jobs = [job for ask in asks for job in ask["jobs"]]
    return json.dumps(asks[0] | {"jobs": jobs, "grid": {"id": grid_id, "shape": shape(len(jobs))}})


def shape(columns: int) -> str:
    """Of a grid of one row of seeds."""
    return json.dumps(
        {
            "x": {"parameter": "seed", "values": list(range(columns))},
            "y": None,
            "cell_width": PARAMETERS.width,
            "cell_height": PARAMETERS.height,
        }
    )
