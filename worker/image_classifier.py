"""A judge of pictures from an ONNX file of the operator's: a classifier one of whose classes is not to be shown.

The file takes pictures of one size, 1 x height x width x 3 or 1 x 3 x height x width in float32, and gives a row with a
number for each class. The defaults of the settings fit Yahoo's open_nsfw. Knows onnxruntime, an extra; knows nothing of
models or jobs.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contract.errors import SettingsError
from worker.settings import WorkerSettings

_USUAL_SIDE = 224
"""Pixels; for a file that leaves open how large its pictures are."""
_ROUNDING = 1e-3
"""By so much a probability may pass 1."""


class _Input(NamedTuple):
    """What the file takes; sides in pixels."""

    name: str
    width: int
    height: int
    channels_first: bool


class ImageClassifier:
    """Computes on the CPU in one thread, whatever the models compute on."""

    def __init__(self, session: Any, settings: WorkerSettings) -> None:
        """Raises ValueError where the session takes no pictures."""
        self._session = session
        self._settings = settings
        self._input = _input_of(session)
        self._mean = np.array(settings.image_classifier_mean, np.float32)
        self._scale = np.array(settings.image_classifier_scale, np.float32)

    def withholds(self, image: Image.Image) -> bool:
        return self.score(image) >= self._settings.image_classifier_threshold

    def score(self, image: Image.Image) -> float:
        """How probable the class is, 0 to 1. Raises RuntimeError or ValueError where the file gives no such number."""
        try:
            row = self._session.run(None, {self._input.name: self._values(image)})[0]
        except _runtime_errors() as error:
            raise RuntimeError(str(error)) from error
        numbers = np.asarray(row, np.float64).ravel()
        if self._settings.image_classifier_class >= len(numbers):
            raise ValueError(f"it gives {len(numbers)} numbers, the first of them number 0")
        if self._settings.image_classifier_outputs == "logits":
            numbers = np.exp(numbers - numbers.max())
            numbers /= numbers.sum()
        score = float(numbers[self._settings.image_classifier_class])
        if not 0 <= score <= 1 + _ROUNDING:  # which is so of a score that is not a number, too
            raise ValueError("it gives numbers that are no probabilities")
        return score

    def _values(self, image: Image.Image) -> NDArray[np.float32]:
        """The whole picture, scaled to what the file takes: nothing at its edge goes unseen."""
        small = image.resize((self._input.width, self._input.height), Image.Resampling.BILINEAR)
        values = np.asarray(small, np.float32)
        if self._settings.image_classifier_channels == "bgr":
            values = values[..., ::-1]
        values = (values - self._mean) / self._scale
        return np.ascontiguousarray(values.transpose(2, 0, 1) if self._input.channels_first else values)[np.newaxis]


def load_image_classifier(settings: WorkerSettings) -> ImageClassifier | None:
    """The one that is set, tried once; None where none is set. Raises SettingsError with file and reason."""
    path = settings.image_classifier
    if path is None:
        return None
    try:
        classifier = ImageClassifier(_open(path), settings)
        classifier.score(Image.new("RGB", (_USUAL_SIDE, _USUAL_SIDE), "grey"))
    except ImportError:
        reason = "it needs onnxruntime: `pip install 'darkroom[classifier]'`"
    except OSError as error:
        reason = str(error.strerror)
    except (RuntimeError, ValueError) as error:
        reason = str(error)
    else:
        return classifier
    raise SettingsError(f"DARKROOM_IMAGE_CLASSIFIER: {path} cannot be used: {reason}")


def _open(path: Path) -> Any:
    import onnxruntime  # type: ignore[import-untyped]  # an extra: only who sets a classifier needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it raises is told
    content = path.read_bytes()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise ValueError(f"onnxruntime cannot read it: {error}") from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    """onnxruntime's own exceptions, which share no base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state  # type: ignore[import-untyped]

    kinds = vars(onnxruntime_pybind11_state).values()
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception))


def _input_of(session: Any) -> _Input:
    given = session.get_inputs()[0]
    if given.type == "tensor(float)" and len(given.shape) == 4:
        _, *sides = given.shape
        if sides[0] == 3 or sides[2] == 3:
            channels_first = sides[0] == 3
            height, width = (
                side if isinstance(side, int) else _USUAL_SIDE for side in (sides[1:] if channels_first else sides[:2])
            )
            return _Input(given.name, width, height, channels_first)
    raise ValueError(f"it takes {given.type} of the shape {given.shape}, and no RGB picture")
