"""Trains the autoencoder: 128 x 128 x 3 pictures to 16 x 16 x 8 latents and back.

Most steps see crops; the last tenth sees whole pictures, a quarter as many, so that the norms fit them.

`python -m models.train.autoencoder` resumes from `autoencoder.pt` in the run folder and writes it
again every 250 steps, with a sheet of reconstructions; what it ends with is the folder `autoencoder`, in half
precision. Knows pictures; knows nothing of captions or denoising.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.train.compose import EXTRA_SIZES, SIZE, pictures_of
from models.train.training import half_precision, read_options, train_steps

LATENT_CHANNELS = 8
"""Four left the colours of small things to chance."""
CROP = 64
SAVE_EVERY = 250
"""Steps."""
ALIGNED_FROM, WHOLE_FROM = 0.5, 0.9
"""The parts of the steps after which crops begin where a latent does, so that pixel art and screens of dots lie as they
do on whole pictures; and after which whole pictures are shown."""
CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (32, 32, 64, 128),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "mid_block_add_attention": False,
    "sample_size": SIZE,
}
LATENT_NOISE = 0.1
"""Standard deviation of the noise on the latents in training: the decoder learns to forgive the denoiser's errors."""


def to_pixels(values: torch.Tensor) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] -> (N, H, W, 3) uint8."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def to_values(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) in [-1, 1]."""
    return torch.tensor(pixels, device=device).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def loss_of(out: torch.Tensor, target: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """Absolute and squared error, absolute error of the edges, and a slight pull of the latents to zero."""
    error = out - target
    edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + error.square().mean() + 0.5 * edges + 1e-4 * latents.float().square().mean()


def load_autoencoder(folder: Path, device: torch.device) -> Any:
    """What the training ended with, in fp32."""
    model: Any = AutoencoderKL.from_pretrained(folder / "autoencoder")
    return model.eval().to(device)


def train(folder: Path, steps: int, batch_size: int, peak: float, device: torch.device) -> None:
    """From the weights in the folder `autoencoder-begun`, where there are any: what a training before came to."""
    if (folder / "autoencoder").exists():
        return
    everything = [pictures_of(folder, size)[0] for size in ((SIZE, SIZE), *EXTRA_SIZES)]
    torch.manual_seed(0)
    begun = folder / "autoencoder-begun"
    model: Any = AutoencoderKL.from_pretrained(begun) if begun.exists() else AutoencoderKL(**CONFIG)
    model.to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=0)

    def loss_of_step(step: int) -> torch.Tensor:
        batch = _batch(everything, batch_size, step, step / steps, device)
        with half_precision(device):
            latents = model.encode(batch).latent_dist.mode()
            out = model.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample
        return loss_of(out.float(), batch, latents)

    train_steps(
        folder / "autoencoder.pt",
        model,
        average,
        optimizer,
        steps=steps,
        peak=peak,
        save_every=SAVE_EVERY,
        loss_of_step=loss_of_step,
        saved=lambda: show(folder, average.module, everything[0], device),
    )
    trained: Any = average.module
    part = folder / "autoencoder-part"
    trained.half().save_pretrained(part)
    part.rename(folder / "autoencoder")


def _batch(everything: list[np.ndarray], count: int, step: int, progress: float, device: torch.device) -> torch.Tensor:
    rng, cropped = np.random.default_rng(step), progress < WHOLE_FROM
    pictures = everything[rng.integers(len(everything)) if cropped and rng.random() < 0.2 else 0]
    count = count if cropped else max(1, count * CROP**2 // SIZE**2)
    chosen = to_values(pictures[np.sort(rng.choice(len(pictures), count, replace=False))], device)
    if not cropped:
        return chosen
    grid = 8 if progress >= ALIGNED_FROM else 1
    y, x = (grid * rng.integers((side - CROP) // grid, endpoint=True) for side in chosen.shape[2:])
    return chosen[..., y : y + CROP, x : x + CROP].contiguous()


@torch.no_grad()
def show(folder: Path, model: Any, pictures: np.ndarray, device: torch.device) -> None:
    """`autoencoder.png`: pictures above their reconstructions."""
    originals = pictures[:20]
    out = to_pixels(model(to_values(originals, device)).sample)
    rows = [np.concatenate(rows, 1) for part in (slice(0, 10), slice(10, 20)) for rows in (originals[part], out[part])]
    Image.fromarray(np.concatenate(rows, 0)).save(folder / "autoencoder.png")


def main() -> None:
    args = read_options(__doc__, steps=5_500, batch_size=12, learning_rate=8e-4)  # 2e-3 diverges
    train(args.folder, args.steps, args.batch_size, args.learning_rate, args.device)


if __name__ == "__main__":
    main()
