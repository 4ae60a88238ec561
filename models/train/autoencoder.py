"""Trains the autoencoder: 128 x 128 x 3 pictures to 16 x 16 x 8 latents and back.

Most steps see crops, at a fifth of the time; the last twelfth sees whole pictures, so that the norms fit them.

`python -m models.train.autoencoder --steps 4600` resumes from `autoencoder.pt` in the run folder and writes it
again every 250 steps. Knows pictures; knows nothing of captions or denoising.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.train.checkpoint import learning_rate, load_checkpoint, save_checkpoint
from models.train.compose import RUN_FOLDER, SIZE

LATENT_CHANNELS = 8
"""Four left the colours of small things to chance."""
CROP = 64
WHOLE_FROM = 0.92
"""The part of the steps after which whole pictures are shown."""
CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (32, 32, 64, 96),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "mid_block_add_attention": False,
    "sample_size": SIZE,
}
LATENT_NOISE = 0.05
"""Standard deviation of the noise on the latents in training: the decoder learns to forgive the denoiser's errors."""


def to_pixels(values: torch.Tensor) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] -> (N, H, W, 3) uint8."""
    return values.float().add(1).mul(127.5).clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def to_values(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def loss_of(out: torch.Tensor, target: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """Absolute and squared error, absolute error of the edges, and a slight pull of the latents to zero."""
    error = out - target
    edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + error.square().mean() + 0.5 * edges + 1e-4 * latents.float().square().mean()


def train(folder: Path, steps: int, batch_size: int, peak: float, device: torch.device) -> None:
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    model = AutoencoderKL(**CONFIG).to(device)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=0)
    path = folder / "autoencoder.pt"
    done = load_checkpoint(path, model, average, optimizer)
    rng, started, losses = np.random.default_rng(done), time.monotonic(), []
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        chosen = np.sort(rng.choice(len(pictures), batch_size, replace=False))
        batch = to_values(pictures[chosen], device)
        if step < WHOLE_FROM * steps:
            x, y = rng.integers(0, SIZE - CROP, 2, endpoint=True)
            batch = batch[..., y : y + CROP, x : x + CROP].contiguous()
        with torch.autocast(device.type, dtype=torch.bfloat16):
            latents = model.encode(batch).latent_dist.mode()
            out = model.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample
        loss = loss_of(out.float(), batch, latents)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} loss {np.mean(losses[-50:]):.4f} {time.monotonic() - started:.0f} s", flush=True)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            save_checkpoint(path, step + 1, model, average, optimizer)
            show(folder, average.module, pictures, device)


@torch.no_grad()
def show(folder: Path, model: AutoencoderKL, pictures: np.ndarray, device: torch.device) -> None:
    """`autoencoder.png`: pictures above their reconstructions."""
    originals = pictures[:20]
    out = to_pixels(model(to_values(originals, device)).sample)
    rows = [np.concatenate(rows, 1) for part in (slice(0, 10), slice(10, 20)) for rows in (originals[part], out[part])]
    Image.fromarray(np.concatenate(rows, 0)).save(folder / "autoencoder.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER)
    parser.add_argument("--steps", type=int, default=4600)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=8e-4, help="2e-3 diverges")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    train(args.folder, args.steps, args.batch_size, args.learning_rate, torch.device(args.device))


if __name__ == "__main__":
    main()
