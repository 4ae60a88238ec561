"""LatentColours: what latents look like, without the decoder.

An affine map from the channels of a latent pixel to the mean colour of the pixels it becomes, fitted by least squares
to every picture that is decoded. Knows latents and pictures; knows nothing of models, schedulers or jobs.
"""

from math import ceil

import numpy as np
import torch
from PIL import Image

from worker.previews import PreviewArray

_MOST_POINTS = 16384
"""Of one picture, spread over it: more add milliseconds and no colour."""
_RIDGE = 1e-3
"""Of the mean square of a channel: channels that have never differed get no say instead of any."""


class LatentColours:
    """One for each model: latents of another mean something else."""

    def __init__(self) -> None:
        self._squares = torch.zeros((), dtype=torch.float64)
        self._colours = torch.zeros((), dtype=torch.float64)
        self._map: torch.Tensor | None = None
        self._spread = 1.0
        """The largest of a picture so far, from that on to which models scale their latents over all pictures."""

    def learn(self, latents: torch.Tensor, image: Image.Image) -> None:
        """From clean latents, 1 x channels x height x width in the CPU's memory, and the picture decoded from them."""
        height, width = latents.shape[-2:]
        small = image.resize((width, height), Image.Resampling.BOX)
        colours = torch.from_numpy(np.asarray(small, np.float64) / 255).reshape(-1, 3)
        points = _points(latents)
        self._spread = max(self._spread, _spread(points))
        stride = ceil(len(points) / _MOST_POINTS)
        points = _with_one(points[::stride])
        self._squares = self._squares + points.T @ points
        self._colours = self._colours + points.T @ colours[::stride]
        ridge = _RIDGE * self._squares.diagonal().mean() * torch.eye(len(self._squares), dtype=torch.float64)
        self._map = torch.linalg.solve(self._squares + ridge, self._colours)

    def picture(self, latents: torch.Tensor) -> PreviewArray:
        """Of latents as `learn` takes them, noisy or clean; in greys before anything was learned."""
        points = _points(latents)
        colours = _greys(points) if self._map is None else _with_one(points / self._noise(points)) @ self._map
        pixels: PreviewArray = (colours * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        return pixels.reshape(*latents.shape[-2:], 3)

    def _noise(self, points: torch.Tensor) -> float:
        """How much further latents are spread than clean ones are: many schedulers hold noise that is scaled up, and
        guidance overdoes what is expected at the first steps."""
        return max(1.0, _spread(points) / self._spread)


def _points(latents: torch.Tensor) -> torch.Tensor:
    """Latent pixels x channels."""
    return latents[0].flatten(1).T.double()


def _with_one(points: torch.Tensor) -> torch.Tensor:
    return torch.cat([points, torch.ones(len(points), 1, dtype=points.dtype)], 1)


def _spread(points: torch.Tensor) -> float:
    """The standard deviation within a channel, over all of them."""
    return float(points.var(0, correction=0).mean().sqrt())


def _greys(points: torch.Tensor) -> torch.Tensor:
    """The first channel: shapes, but no colours that would be wrong. Two standard deviations reach black and white."""
    first = points[:, :1]
    return (0.5 + (first - first.mean()) / (4 * max(_spread(first), 1e-6))).expand(-1, 3)
