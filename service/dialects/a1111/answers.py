"""What the web UI answers: pictures with what drew them, how far they are, and a file's parameters.

Knows its forms; knows nothing of requests.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from contract.job import Job, JobStatus
from contract.parameters_text import parameters_text, sampler_and_schedule
from service.dialects.a1111.txt2img import PART_LABEL

_TIMESTAMP = "%Y%m%d%H%M%S"


def generated(jobs: list[Job], files: list[bytes], *, batch_size: int) -> dict[str, Any]:
    """The answer of txt2img, of the jobs of one request as they ended, those among them that were canceled too."""
    parameters = jobs[0].parameters
    sampler, schedule = sampler_and_schedule(parameters.scheduler)
    seeds = [image.seed for job in jobs for image in job.images]
    asked = {
        "prompt": parameters.prompt,
        "negative_prompt": parameters.negative_prompt,
        "seed": parameters.seed,
        "width": parameters.width,
        "height": parameters.height,
        "sampler_name": sampler,
        "cfg_scale": parameters.guidance_scale,
        "steps": parameters.num_inference_steps,
        "batch_size": batch_size,
        "styles": [jobs[0].style.name] if jobs[0].style else [],
    }
    told = {
        **asked,
        "all_prompts": [parameters.prompt] * len(seeds),
        "all_negative_prompts": [parameters.negative_prompt] * len(seeds),
        "all_seeds": seeds,
        "infotexts": [parameters_text(parameters, seed) for seed in seeds],
        "sd_model_name": parameters.model,
        "clip_skip": parameters.clip_skip + 1,
        "extra_generation_params": {"Schedule type": schedule},
        "job_timestamp": jobs[0].created_at.strftime(_TIMESTAMP),
        "version": "Darkroom",
        **_without_meaning(seeds),
    }
    return {
        "images": [base64.b64encode(file).decode() for file in files],
        "parameters": {**asked, "scheduler": schedule},
        "info": json.dumps(told),
    }


def _without_meaning(seeds: list[int]) -> dict[str, Any]:
    """What clients expect to be there, as the web UI has it where it was not asked for."""
    return {
        "subseed": 0,
        "all_subseeds": [0] * len(seeds),
        "subseed_strength": 0,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": None,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_hash": "",
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "index_of_first_image": 0,
        "is_using_inpainting_conditioning": False,
    }


def progress(job: Job | None, eta_seconds: float, preview: str | None) -> dict[str, Any]:
    """How far a request is, by that of its jobs which is on; all zero where there is none, which clients wait for."""
    number, count, step, total = 0, 0, 0, 0
    if job is not None:
        number, count = _part(job)
        step, total = (job.progress.step, job.progress.total) if job.progress else (0, 0)
    # 0.01 more, as the web UI does: what has only begun is not at rest.
    done = min(1.0, 0.01 + (number + step / max(total, 1)) / count) if count else 0.0
    return {
        "progress": done,
        "eta_relative": eta_seconds,
        "state": {
            "skipped": False,
            "interrupted": False,
            "stopping_generation": False,
            "job": "scripts_txt2img" if job else "",
            "job_count": count,
            "job_timestamp": job.created_at.strftime(_TIMESTAMP) if job else "0",
            "job_no": number,
            "sampling_step": step,
            "sampling_steps": total,
        },
        "current_image": preview,
        "textinfo": "In line" if job and job.status is JobStatus.QUEUED else None,
    }


def _part(job: Job) -> tuple[int, int]:
    """Which one it is of a request's jobs, from 0, and how many they are; its client may have put any label there."""
    found = re.fullmatch(r"(\d{1,3})/([1-9]\d{0,2})", job.labels.get(PART_LABEL, ""))
    return (int(found[1]) - 1, int(found[2])) if found else (0, 1)


def file_parameters(found: Mapping[str, Any]) -> dict[str, str]:
    """Parameters in the names of the web UI's text, each as text."""
    named = {name: found.get(field) for field, name in _NAMES.items()}
    if "scheduler" in found:
        named["Sampler"], named["Schedule type"] = sampler_and_schedule(found["scheduler"])
    return {name: str(value) for name, value in named.items() if value is not None}


_NAMES: dict[str, str] = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "num_inference_steps": "Steps",
    "guidance_scale": "CFG scale",
    "seed": "Seed",
    "width": "Size-1",
    "height": "Size-2",
    "model": "Model",
}
