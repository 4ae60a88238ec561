"""Trains the autoencoder: 128 x 128 x 3 pictures to 16 x 16 x 8 latents and back.

Most steps see crops; the last tenth sees whole pictures, a quarter as many, so that the norms fit them.

`python -m models.train.autoencoder` trains it in two parts, and what each ends with is a folder in half precision:
`autoencoder-begun`, and `autoencoder`. Each resumes from a checkpoint of its name in the run folder, and writes it
again every 250 steps, with a sheet of reconstructions. Knows pictures; knows nothing of captions or denoising.
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
WHOLE_FROM = 0.9
"""The part of the steps after which whole pictures are shown."""
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


def load_autoencoder(folder: Path, device: torch.device, name: str = "autoencoder") -> Any:
    """What the training ended with, or its first part, in fp32."""
    model: Any = AutoencoderKL.from_pretrained(folder / name)
    model.register_to_config(_name_or_path="")  # else it is saved with the path it was loaded from
    return model.eval().to(device, memory_format=torch.channels_last)


def train(
    folder: Path,
    steps: int,
    batch_size: int,
    peak: float,
    device: torch.device,
    *,
    begun: str | None = None,
    ended: str = "autoencoder",
    aligned_from: float = 0.0,
) -> None:
    """From the weights in the folder `begun` to those in `ended`; where that exists, there is nothing to do.

    After the part `aligned_from` of the steps, crops begin where a latent does, so that pixel art and screens of dots
    lie as they do on whole pictures.
    """
    if (folder / ended).exists():
        return
    everything = [pictures_of(folder, size)[0] for size in ((SIZE, SIZE), *EXTRA_SIZES)]
    torch.manual_seed(0)
    model: Any = load_autoencoder(folder, device, begun) if begun else AutoencoderKL(**CONFIG)
    model.to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=0)

    def loss_of_step(step: int) -> torch.Tensor:
        progress = step / steps
        batch = to_values(_batch(everything, batch_size, step, progress < WHOLE_FROM, progress >= aligned_from), device)
        with half_precision(device):
            latents = model.encode(batch).latent_dist.mode()
            out = model.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample
        return loss_of(out.float(), batch, latents)

    train_steps(
        folder / f"{ended}.pt",
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
    part.rename(folder / ended)


def _batch(everything: list[np.ndarray], count: int, step: int, cropped: bool, aligned: bool) -> np.ndarray:
    """(N, H, W, 3) uint8: crops of pictures of one size, or whole ones of 128 x 128."""
    rng = np.random.default_rng(step)
    pictures = everything[rng.integers(len(everything)) if cropped and rng.random() < 0.2 else 0]
    count = count if cropped else max(1, count * CROP**2 // SIZE**2)
    chosen = pictures[np.sort(rng.choice(len(pictures), count, replace=False))]
    if not cropped:
        return chosen
    grid = 8 if aligned else 1
    y, x = (grid * rng.integers((side - CROP) // grid, endpoint=True) for side in chosen.shape[1:3])
    return chosen[:, y : y + CROP, x : x + CROP]


@torch.no_grad()
def show(folder: Path, model: Any, pictures: np.ndarray, device: torch.device) -> None:
    """`autoencoder.png`: pictures above their reconstructions."""
    originals = pictures[:20]
    out = to_pixels(model(to_values(originals, device)).sample)
    rows = [np.concatenate(rows, 1) for part in (slice(0, 10), slice(10, 20)) for rows in (originals[part], out[part])]
    Image.fromarray(np.concatenate(rows, 0)).save(folder / "autoencoder.png")


def main() -> None:
    args = read_options(__doc__, steps=3_600, batch_size=12, learning_rate=8e-4)  # 2e-3 diverges
    if (args.folder / "autoencoder").exists():
        return
    how = (args.batch_size, args.learning_rate, args.device)
    train(args.folder, 5_500, *how, ended="autoencoder-begun", aligned_from=0.5)
    train(args.folder, args.steps, *how, begun="autoencoder-begun")


if __name__ == "__main__":
    main()
