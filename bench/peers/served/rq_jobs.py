"""What RQ's worker runs. Its SimpleWorker imports this once and keeps it: the model stays loaded between jobs."""

from pocket import PictureRequest, Pocket

pocket = Pocket()


def draw(prompt: str, seed: int) -> bytes:
    return pocket.draw([PictureRequest(prompt=prompt, seed=seed)])[0]
