"""Trains the UNet and the text encoder together on the latents of the autoencoder.

v-prediction with zero terminal SNR, trailing timesteps and dropped captions for guidance.
`python -m models.train.denoiser` resumes from `denoiser.pt` in the run folder and writes it again
every 500 steps, with a sheet of samples, `samples.png`. Knows latents and captions; decodes only to show.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from models.train.art import common_words
from models.train.autoencoder import LATENT_CHANNELS, load_autoencoder, to_values
from models.train.captions import caption, meaningful_words, with_fillers
from models.train.compose import EXTRA_SIZES, SIZE, Content, pictures_of
from models.train.held_prompts import LONG_PROMPT
from models.train.muon import Muon
from models.train.tokens import MAX_TOKENS, build_tokenizer
from models.train.training import half_precision, read_options, train_steps

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
    "steps_offset": 1,
}
CAPTION_DROPOUT = 0.1
SAVE_EVERY = 500
"""Steps."""
LATE_FROM = 0.5
"""The part of the steps after which some see other sizes, and captions that name no style are of photos alone."""
EXTRA_SHARE = 0.12
"""How many of the late steps see another size. Such a batch has as many latent pixels."""
NO_MATRICES = ("embedding.weight", "conv_in.weight", "conv_out.weight")
"""Ends of names: what looks tokens up, and the first and the last kernel."""
PROMPTS = (
    "a hippo",
    "a watercolor of a fox on a yellow background",
    "an oil painting of a panda on a red background",
    "pixel art of a rocket under a night sky",
    "a pencil sketch of an owl on a white background",
    "a comic book panel of a pizza on a green background",
    "a photo of a robot in a neon street",
    "a kitty next to a smartphone on a purple background",
    "a guitar on the beach, oil painting",
    LONG_PROMPT,
)


class Denoiser(nn.Module):
    """The UNet and the text encoder.

    Attention only at 8 x 8 and in the middle: at 16 x 16 it doubles the cost of a step. The prompt, pooled, also
    scales and shifts every block (`addition_embed_type`): attention alone learns objects and colours slower.
    """

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet: Any = UNet2DConditionModel(
            sample_size=16,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            layers_per_block=1,
            block_out_channels=(80, 112, 144),
            norm_num_groups=16,
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
            resnet_time_scale_shift="scale_shift",
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
        velocity: torch.Tensor = self.unet(latents, timesteps, self.text_encoder(tokens).last_hidden_state).sample
        return velocity


@torch.no_grad()
def write_latents(folder: Path, device: torch.device) -> None:
    """`latents-128x128.pt` and those of the other sizes, where they are missing.

    (N, 8, height / 8, width / 8) in half precision, scaled to a spread of 1.
    """
    autoencoder = load_autoencoder(folder, device)
    scale = 0.0
    for size in ((SIZE, SIZE), *EXTRA_SIZES):
        path = _latents_path(folder, size)
        if path.exists():
            scale = scale or float(torch.load(path, weights_only=True)["scale"])
            continue
        pictures, _ = pictures_of(folder, size)
        starts = range(0, len(pictures), 16)
        with half_precision(device):
            parts = [autoencoder.encode(to_values(pictures[s : s + 16], device)).latent_dist.mode() for s in starts]
        latents = torch.cat(parts).float()
        scale = scale or round(float(1 / latents.std()), 6)
        torch.save({"scale": scale, "latents": (latents * scale).half().cpu()}, path)
        print(f"{path}: {len(latents)}", flush=True)


def _latents_path(folder: Path, size: tuple[int, int]) -> Path:
    return folder / f"latents-{size[0]}x{size[1]}.pt"


def scaling_factor(folder: Path) -> float:
    return float(torch.load(_latents_path(folder, (SIZE, SIZE)), weights_only=True, mmap=True)["scale"])


def encode(tokenizer: CLIPTokenizer, captions: list[str], device: torch.device) -> torch.Tensor:
    """(N, MAX_TOKENS) token ids, padded as the pipeline pads them."""
    ids = tokenizer(captions, padding="max_length", max_length=MAX_TOKENS, truncation=True).input_ids
    return torch.tensor(ids, device=device)


def train(folder: Path, steps: int, batch_size: int, peak: float, device: torch.device) -> None:
    write_latents(folder, device)
    sizes = ((SIZE, SIZE), *EXTRA_SIZES)
    latents = {size: torch.load(_latents_path(folder, size), weights_only=True)["latents"].to(device) for size in sizes}
    contents = {size: pictures_of(folder, size)[1] for size in sizes}
    meaningful = meaningful_words()
    others = [word for word in common_words(folder) if word not in meaningful]
    tokenizer = build_tokenizer(folder / "tokenizer", others)
    torch.manual_seed(0)
    model = Denoiser(tokenizer).to(device)
    model.unet.to(memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9995))
    optimizer = Muon(model, peak, but=NO_MATRICES, weight_decay=1e-2, betas=(0.9, 0.99))
    noise_schedule: Any = DDIMScheduler(**SCHEDULER)

    def loss_of_step(step: int) -> torch.Tensor:
        rng = random.Random(step)
        late = step > LATE_FROM * steps
        extra = late and rng.random() < EXTRA_SHARE
        size = rng.choice(tuple(EXTRA_SIZES)) if extra else (SIZE, SIZE)
        count = batch_size * SIZE * SIZE // (size[0] * size[1])
        chosen = torch.randint(0, len(latents[size]), (count,))
        texts = [_text(contents[size][index], others, rng, late) for index in chosen.tolist()]
        clean = latents[size][chosen].float()
        noise = torch.randn_like(clean)
        timesteps = torch.randint(0, 1000, (count,), device=device)
        noisy = noise_schedule.add_noise(clean, noise, timesteps)
        velocity = noise_schedule.get_velocity(clean, noise, timesteps)
        # The CPU's fused attention takes twice the time of plain matrix products for the backward pass at this size.
        with sdpa_kernel(SDPBackend.MATH), half_precision(device):
            out = model(
                noisy.contiguous(memory_format=torch.channels_last), timesteps, encode(tokenizer, texts, device)
            )
        loss: torch.Tensor = (out.float() - velocity).square().mean()
        return loss

    train_steps(
        folder / "denoiser.pt",
        model,
        average,
        optimizer,
        steps=steps,
        peak=peak,
        save_every=SAVE_EVERY,
        loss_of_step=loss_of_step,
        saved=lambda: show(folder, device),
    )


def _text(content: Content, others: list[str], rng: random.Random, late: bool) -> str:
    if rng.random() < CAPTION_DROPOUT:
        return ""
    return with_fillers(caption(content, rng, unsaid_is_photo=late), others, rng)


@torch.no_grad()
def show(folder: Path, device: torch.device) -> None:
    """`samples.png`, from the averaged weights: PROMPTS at seeds 0 and 1, as the shipped pipeline draws them."""
    from models.train.export import assemble  # a sheet needs the pipeline, and the pipeline needs this module

    pipeline: Any = assemble(folder)
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for seed in (0, 1):
        generators = [torch.Generator().manual_seed(seed) for _ in PROMPTS]
        images = pipeline(list(PROMPTS), num_inference_steps=20, guidance_scale=4.0, generator=generators).images
        rows.append(np.concatenate([np.asarray(image) for image in images], 1))
    Image.fromarray(np.concatenate(rows, 0)).save(folder / "samples.png")


def main() -> None:
    args = read_options(__doc__, steps=8_000, batch_size=64, learning_rate=1e-3)
    train(args.folder, args.steps, args.batch_size, args.learning_rate, args.device)


if __name__ == "__main__":
    main()
