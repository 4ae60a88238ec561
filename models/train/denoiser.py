"""Trains the UNet and the text encoder together on the latents of the autoencoder.

v-prediction with zero terminal SNR, trailing timesteps and dropped captions for guidance.
`python -m models.train.denoiser --steps 9600` resumes from `denoiser.pt` in the run folder and writes it again
every 500 steps, with a sheet of samples, `samples.png`. Knows latents and captions; decodes only to show.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from models.train.autoencoder import CONFIG as AUTOENCODER
from models.train.autoencoder import LATENT_CHANNELS, to_values
from models.train.checkpoint import learning_rate, load_checkpoint, save_checkpoint
from models.train.compose import RUN_FOLDER, caption
from models.train.tokens import MAX_TOKENS, build_tokenizer, with_fillers

WIDTH = 128
SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
}
CAPTION_DROPOUT = 0.1
PROMPTS = (
    "a photo of a hippo on a blue background",
    "a watercolor of a fox on a yellow background",
    "an oil painting of a panda on a red background",
    "pixel art of a rocket on a black background",
    "a pencil sketch of an owl on a white background",
    "a pizza on a green background",
    "a photo of a robot on a pink background",
    "a watercolor of a butterfly on a teal background",
    "a photo of a cat on a purple background",
    "an oil painting of a guitar on an orange background",
)


class Denoiser(nn.Module):
    """The UNet (attention at 8 x 8 and 4 x 4 only: at 16 x 16 it doubles the cost of a step) and the text encoder."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(
            sample_size=16,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            layers_per_block=1,
            block_out_channels=(64, 96, 128),
            norm_num_groups=16,
            cross_attention_dim=WIDTH,
            attention_head_dim=(2, 3, 4),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        )
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=4 * WIDTH,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return self.unet(latents, timesteps, self.text_encoder(tokens).last_hidden_state).sample


def load_autoencoder(folder: Path, device: torch.device) -> AutoencoderKL:
    """The averaged weights of `autoencoder.pt`."""
    average = AveragedModel(AutoencoderKL(**AUTOENCODER))
    average.load_state_dict(torch.load(folder / "autoencoder.pt", weights_only=True, map_location=device)["average"])
    return average.module.eval().to(device)


@torch.no_grad()
def load_latents(folder: Path, autoencoder: AutoencoderKL, device: torch.device) -> torch.Tensor:
    """(N, 8, 16, 16) latents of every picture, unscaled; computed once and kept in `latents.pt`."""
    path = folder / "latents.pt"
    if not path.exists():
        pictures = np.load(folder / "pictures.npy", mmap_mode="r")
        starts = range(0, len(pictures), 64)
        parts = [autoencoder.encode(to_values(pictures[s : s + 64], device)).latent_dist.mode() for s in starts]
        torch.save(torch.cat(parts).cpu(), path)
    return torch.load(path, weights_only=True).to(device)


def encode(tokenizer: CLIPTokenizer, captions: list[str], device: torch.device) -> torch.Tensor:
    """(N, MAX_TOKENS) token ids, padded as the pipeline pads them."""
    ids = tokenizer(captions, padding="max_length", max_length=MAX_TOKENS, truncation=True).input_ids
    return torch.tensor(ids, device=device)


def train(folder: Path, steps: int, batch_size: int, peak: float, device: torch.device) -> None:
    autoencoder = load_autoencoder(folder, device)
    latents = load_latents(folder, autoencoder, device)
    latents *= 1 / latents.std()
    labels = json.loads((folder / "labels.json").read_text())
    tokenizer = build_tokenizer(folder / "tokenizer")
    model = Denoiser(tokenizer).to(device)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=1e-2, betas=(0.9, 0.99))
    path = folder / "denoiser.pt"
    done = load_checkpoint(path, model, average, optimizer)
    noise_schedule = DDIMScheduler(**SCHEDULER)
    rng, started, losses = random.Random(done), time.monotonic(), []
    torch.manual_seed(done)
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        chosen = torch.randint(0, len(latents), (batch_size,))
        texts = [
            "" if rng.random() < CAPTION_DROPOUT else with_fillers(caption(*labels[index], rng), rng)
            for index in chosen.tolist()
        ]
        clean = latents[chosen]
        noise = torch.randn_like(clean)
        timesteps = torch.randint(0, 1000, (batch_size,), device=device)
        noisy = noise_schedule.add_noise(clean, noise, timesteps)
        velocity = noise_schedule.get_velocity(clean, noise, timesteps)
        # The CPU's fused attention takes twice the time of plain matrix products for the backward pass at this size.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast(device.type, dtype=torch.bfloat16):
            out = model(noisy, timesteps, encode(tokenizer, texts, device))
        loss = (out.float() - velocity).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} loss {np.mean(losses[-100:]):.4f} {time.monotonic() - started:.0f} s", flush=True)
        if (step + 1) % 500 == 0 or step + 1 == steps:
            save_checkpoint(path, step + 1, model, average, optimizer)
            show(folder, device)


@torch.no_grad()
def show(folder: Path, device: torch.device) -> None:
    """`samples.png`, from the averaged weights: PROMPTS at seeds 0 and 1, as the shipped pipeline draws them."""
    from models.train.export import assemble  # a sheet needs the pipeline, and the pipeline needs this module

    pipeline = assemble(folder).to(device)
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for seed in (0, 1):
        generators = [torch.Generator().manual_seed(seed) for _ in PROMPTS]
        images = pipeline(list(PROMPTS), num_inference_steps=20, guidance_scale=4.0, generator=generators).images
        rows.append(np.concatenate([np.asarray(image) for image in images], 1))
    Image.fromarray(np.concatenate(rows, 0)).save(folder / "samples.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER)
    parser.add_argument("--steps", type=int, default=9600)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    train(args.folder, args.steps, args.batch_size, args.learning_rate, torch.device(args.device))


if __name__ == "__main__":
    main()
