"""Assembles the trained parts into an ordinary diffusers folder in half precision.

`python -m models.train.export` writes `models/pocket`. Knows checkpoints and the pipeline; trains nothing.
"""

import argparse
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch.optim.swa_utils import AveragedModel
from transformers import CLIPTokenizer

from models.train.compose import RUN_FOLDER
from models.train.denoiser import SCHEDULER, Denoiser, load_autoencoder


def assemble(folder: Path) -> StableDiffusionPipeline:
    """The pipeline in fp32 on the CPU, from the averaged weights of both checkpoints."""
    device = torch.device("cpu")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    average = AveragedModel(Denoiser(tokenizer))
    average.load_state_dict(torch.load(folder / "denoiser.pt", weights_only=True, map_location=device)["average"])
    autoencoder = load_autoencoder(folder, device)
    latents = torch.load(folder / "latents.pt", weights_only=True)
    autoencoder.register_to_config(scaling_factor=round(float(1 / latents.std()), 6))
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=average.module.text_encoder.eval(),
        tokenizer=tokenizer,
        unet=average.module.unet.eval(),
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
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
