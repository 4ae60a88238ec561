"""Assembles the trained parts into an ordinary diffusers folder in half precision.

`python -m models.train.export` writes `models/pocket`. Knows checkpoints and the pipeline; trains nothing.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch.optim.swa_utils import AveragedModel
from transformers import CLIPTokenizer

from models.train.autoencoder import load_autoencoder
from models.train.compose import RUN_FOLDER
from models.train.denoiser import SCHEDULER, Denoiser, scaling_factor


def assemble(folder: Path) -> Any:
    """The pipeline in fp32 on the CPU, from the finished autoencoder and the averaged weights of the denoiser."""
    device = torch.device("cpu")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    average = AveragedModel(Denoiser(tokenizer))
    average.load_state_dict(torch.load(folder / "denoiser.pt", weights_only=True, map_location=device)["average"])
    model: Any = average.module
    autoencoder = load_autoencoder(folder, device)
    autoencoder.register_to_config(scaling_factor=scaling_factor(folder))
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=model.text_encoder.eval(),
        tokenizer=tokenizer,
        unet=model.unet.eval(),
        scheduler=DDIMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER)
    parser.add_argument("--out", type=Path, default=RUN_FOLDER.parents[1] / "pocket")
    args = parser.parse_args()
    pipeline = assemble(args.folder).to(dtype=torch.float16)
    pipeline.save_pretrained(args.out, safe_serialization=True)
    files = [path for path in args.out.rglob("*") if path.is_file()]
    for file in files:
        file.chmod(0o644)  # safetensors writes for its user alone; that of a container has to read them too
    size = sum(file.stat().st_size for file in files)
    print(f"{args.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
