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
    ask = {
        "id": job_id,
        "owner": OWNER,
        "model": PARAMETERS.model,
        "parameters": PARAMETERS.model_dump_json(),
        "labels": "{}",
        "cost": 1,
        "description": "a fox",
        "timeout_seconds": 600,
        "deadline_seconds": 3000,
        "retention_seconds": 3600,
        "max_queued": 10_000,
    }
    return json.dumps(ask | changes)
