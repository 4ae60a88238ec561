"""Jobs that ended with real pictures, as a worker leaves them."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from PIL import Image

from contract.image_file import CONTENT_TYPES, encode_image
from contract.image_store import local_image_store
from contract.job import Job, StoredImage, stored_images
from contract.parameters import OutputFormat
from tests.service.conftest import Service
from tests.service.moves import Moves, claim

SIZE = (320, 200)


@dataclass(frozen=True)
class Picture:
    """What the store holds of a job with one picture."""

    job_id: str
    content: bytes
    sha256: str
    file: Path
    url: str

    @property
    def address(self) -> str:
        """Without an extension."""
        return f"/images/{self.job_id}/0"


def drawing(size: tuple[int, int] = SIZE) -> Image.Image:
    """Something in every channel, the same each time."""
    slopes = (Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L").rotate(90))
    return Image.merge("RGB", slopes).resize(size)


def encoded(job: Job, image: Image.Image, output_format: OutputFormat) -> bytes:
    """The bytes that a worker stores for the job."""
    return encode_image(image, job.parameters.model_copy(update={"output_format": output_format}), 0)


def noise(size: tuple[int, int]) -> Image.Image:
    """What no format makes small."""
    return Image.merge("RGB", [Image.effect_noise(size, 100) for _ in range(3)])


def keep(
    service: Service,
    client: redis.Redis,
    output_format: OutputFormat = "png",
    size: tuple[int, int] = SIZE,
    image: Image.Image | None = None,
    **parameters: Any,
) -> Picture:
    """A job that ended with one picture."""
    job = Job.model_validate(service.submit(output_format=output_format, **parameters))
    claim(client)
    return finish_with_picture(service, client, job, output_format, image or drawing(size))


def finish_with_picture(
    service: Service, client: redis.Redis, job: Job, output_format: OutputFormat, image: Image.Image
) -> Picture:
    """Of a running job."""
    content = encoded(job, image, output_format)
    moves = Moves(client)
    stored = StoredImage(
        key=moves.image_key(job.id, output_format),
        index=0,
        seed=job.parameters.seed,
        width=image.width,
        height=image.height,
        content_type=CONTENT_TYPES[output_format],
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    folder = service.data_dir / "images"
    local_image_store(folder).put(stored.key, content)
    moves.finish(job.id, "finished", "images", stored_images.dump_json([stored]).decode())
    return Picture(job.id, content, stored.sha256, folder / stored.key, f"/images/{job.id}/0.{output_format}")


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image
