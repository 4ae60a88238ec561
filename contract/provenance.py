"""Where a picture comes from, as its file says it: the mark that an AI made it, and the parameters that draw it again.

Knows which of it stands where, and how it is read back; knows nothing of Pillow or of how a file is laid out.
"""

import re
from dataclasses import dataclass

from contract.parameters import GenerationParameters
from contract.parameters_text import parameters_text
from contract.xmp import DARKROOM, IPTC, MAX_PACKET_BYTES, Property, fitted, read_xmp, xmp_packet

MADE_BY_AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
DIGITAL_SOURCE_TYPE: Property = (IPTC, "DigitalSourceType")
PARAMETERS: Property = (DARKROOM, "Parameters")
"""The job's effective parameters, as JSON."""
IMAGE_INDEX: Property = (DARKROOM, "ImageIndex")
"""Which of the job's images it is, from 0."""
_SYSTEM: Property = (IPTC, "AISystemUsed")
_PROMPT: Property = (IPTC, "AIPromptInformation")

_NO_XML_IN_JSON = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True)
class Provenance:
    """`system` is None for a file without the mark, `parameters` for one without parameters."""

    system: str | None
    parameters: GenerationParameters | None
    index: int = 0

    @property
    def text(self) -> str | None:
        """The parameters as most tools read them; see parameters_text."""
        if self.parameters is None:
            return None
        return parameters_text(self.parameters, self.parameters.seed + self.index)

    @property
    def xmp(self) -> bytes | None:
        """A packet with the mark and the exact parameters, None where the file holds neither."""
        mark = {} if self.system is None else {DIGITAL_SOURCE_TYPE: MADE_BY_AI, _SYSTEM: self.system}
        if self.parameters is None:
            return xmp_packet(mark) if mark else None
        exact = {PARAMETERS: _json(self.parameters), IMAGE_INDEX: str(self.index)}
        if not mark:
            return xmp_packet(exact)
        # The exact parameters are what must be whole: the prompt is once more in them.
        room = MAX_PACKET_BYTES - len(xmp_packet(mark | {_PROMPT: ""} | exact))
        return xmp_packet(mark | {_PROMPT: fitted(self.parameters.prompt, room)} | exact)


def provenance_of(parameters: GenerationParameters, index: int, *, mark_ai: bool) -> Provenance:
    """What the file of a job's image says; without `embed_parameters` nothing of the request but its model."""
    return Provenance(
        system=f"Darkroom, model {parameters.model}" if mark_ai else None,
        parameters=parameters if parameters.embed_parameters else None,
        index=index,
    )


def read_provenance(xmp: bytes | None) -> Provenance:
    """What a packet of ours says; what is not as we write it is left out."""
    properties = read_xmp(xmp or b"")
    marked = properties.get(DIGITAL_SOURCE_TYPE) == MADE_BY_AI
    system = properties.get(_SYSTEM) if marked else None
    try:
        parameters = GenerationParameters.model_validate_json(properties.get(PARAMETERS, ""))
        return Provenance(system, parameters, int(properties.get(IMAGE_INDEX, "")))
    except ValueError:  # pydantic's own is one
        return Provenance(system, None)


def _json(parameters: GenerationParameters) -> str:
    """Without the two characters that JSON may hold as they are and XML may not at all."""
    return _NO_XML_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", parameters.model_dump_json())
