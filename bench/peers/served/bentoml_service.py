"""BentoML: an API that the client waits for, one whose requests are batched adaptively, and a task to be polled.

`bentoml serve bentoml_service:PocketService`
"""

from base64 import b64encode
from typing import Annotated

import bentoml
from bentoml.validators import ContentType
from pocket import MAX_BATCH_SIZE, PictureRequest, Pocket


@bentoml.service(workers=1, traffic={"timeout": 300})
class PocketService:
    def __init__(self) -> None:
        self.pocket = Pocket()

    @bentoml.api
    def generate(self, prompt: str, seed: int) -> Annotated[bytes, ContentType("image/png")]:
        return self.pocket.draw([PictureRequest(prompt=prompt, seed=seed)])[0]

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE)
    def generate_batched(self, requests: list[PictureRequest]) -> list[str]:
        """A batch is a list of JSON, where bytes have no place: base64."""
        return self._in_base64(requests)

    @bentoml.task(batchable=True, max_batch_size=MAX_BATCH_SIZE)
    def generate_later(self, requests: list[PictureRequest]) -> list[str]:
        return self._in_base64(requests)

    def _in_base64(self, requests: list[PictureRequest]) -> list[str]:
        return [b64encode(picture).decode() for picture in self.pocket.draw(requests)]
