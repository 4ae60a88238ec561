"""The Accept header of a request (RFC 9110, section 12.5.1), and which of the formats of a picture it likes best.

Knows header text and the formats; knows nothing of pictures.
"""

import re

from contract.image_file import CONTENT_TYPES
from contract.parameters import OutputFormat

_QUALITY = re.compile(r"q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def preferred_format(accept: str, stored: OutputFormat) -> OutputFormat:
    """The format that the client likes best; the stored one among equals, and where none is acceptable."""
    qualities = qualities_of(accept)

    def liking(output_format: OutputFormat) -> tuple[float, bool]:
        media_ranges = (CONTENT_TYPES[output_format], "image/*", "*/*")  # the most specific one counts
        quality = next((qualities[each] for each in media_ranges if each in qualities), 0.0)
        return quality, output_format == stored

    return max(CONTENT_TYPES, key=liking)


def qualities_of(accept: str) -> dict[str, float]:
    """Media range -> how much it is liked, 0 to 1. An element with a malformed weight is left out."""
    qualities = {}
    for element in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        weights = [_QUALITY.fullmatch(each) for each in parameters if each.partition("=")[0].strip() == "q"]
        if not weights:
            qualities[media_range] = 1.0
        elif weights[0]:
            qualities[media_range] = float(weights[0][1])
    return qualities
