"""A picture as the bytes of a file, with what the file says of where it comes from.

Knows Pillow and where each format keeps a text and an XMP packet; knows nothing of where files are kept. The bytes
depend on the picture and its parameters alone: they hold no time and no job id.
"""

import io
from typing import Any

import piexif  # type: ignore[import-untyped]
import PIL
from piexif.helper import UserComment  # type: ignore[import-untyped]
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from contract.parameters import GenerationParameters, OutputFormat
from contract.provenance import Provenance, provenance_of

CONTENT_TYPES: dict[OutputFormat, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_QUALITY = 92
ENCODER = f"pillow {PIL.__version__}, quality {_QUALITY}, metadata 1"
"""What the bytes depend on beside the pixels, their provenance and the format."""
XMP_KEYWORD = "XML:com.adobe.xmp"
"""Of the text chunk of a PNG that holds the packet."""


def encode_image(image: Image.Image, parameters: GenerationParameters, index: int, *, mark_ai: bool = True) -> bytes:
    """The bytes of a job's RGB image `index`, from 0, in the format that the parameters name."""
    return encode_pixels(image, parameters.output_format, provenance_of(parameters, index, mark_ai=mark_ai))


def encode_pixels(image: Image.Image, output_format: OutputFormat, provenance: Provenance) -> bytes:
    """The bytes of an RGB image of that provenance."""
    buffer = io.BytesIO()
    if output_format == "png":
        image.save(buffer, "PNG", pnginfo=_png_chunks(provenance))
    else:
        image.save(buffer, output_format.upper(), quality=_QUALITY, **_exif_and_xmp(provenance))
    return buffer.getvalue()


def _png_chunks(provenance: Provenance) -> PngInfo:
    chunks = PngInfo()
    if provenance.text is not None:
        chunks.add_text("parameters", provenance.text)  # as iTXt where it is not Latin-1
    if provenance.xmp is not None:
        chunks.add_itxt(XMP_KEYWORD, provenance.xmp)
    return chunks


def _exif_and_xmp(provenance: Provenance) -> dict[str, Any]:
    options = {}
    if provenance.text is not None:
        comment = UserComment.dump(provenance.text, encoding="unicode")
        # Not Pillow's own Exif: it gives the comment another type, and readers that use piexif refuse it.
        options["exif"] = piexif.dump({"Exif": {piexif.ExifIFD.UserComment: comment}})
    if provenance.xmp is not None:
        options["xmp"] = provenance.xmp
    return options
