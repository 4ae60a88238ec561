"""XMP packets: the ones that we write, and the few properties that we read in any.

The mark is IPTC's: https://www.iptc.org/std/photometadata/specification/ (2025.1). Knows XML; knows nothing of files
or parameters. A packet that is read may be hostile: nothing in it is expanded or fetched, and none of it raises.
"""

import re
from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import escape

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
DARKROOM = "urn:darkroom:generation:1#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = {IPTC: "Iptc4xmpExt", DARKROOM: "darkroom"}

MAX_PACKET_BYTES = 65_504
"""What one segment of a JPEG takes: 65,533 bytes less the 29 that say that it is XMP."""
_MAX_READ_BYTES = 2**20

Property = tuple[str, str]
"""A namespace and a name."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has not, section 2.2."""


class _DoctypeFound(Exception):
    """No XMP has one; entities are declared there."""


def xmp_packet(properties: Mapping[Property, str]) -> bytes:
    """A packet with these properties, in IPTC's or our namespace. What XML cannot hold becomes U+FFFD."""
    used = {namespace for namespace, _ in properties}
    namespaces = "".join(f' xmlns:{prefix}="{uri}"' for uri, prefix in _PREFIXES.items() if uri in used)
    elements = "".join(
        f"<{_PREFIXES[namespace]}:{name}>{_text(value)}</{_PREFIXES[namespace]}:{name}>\n"
        for (namespace, name), value in properties.items()
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        f'<rdf:Description rdf:about=""{namespaces}>\n{elements}</rdf:Description></rdf:RDF></x:xmpmeta>\n'
        '<?xpacket end="w"?>'
    ).encode()


def fitted(text: str, room_bytes: int) -> str:
    """The text, without its end where it would take more than that in a packet."""
    while len(_text(text).encode()) > room_bytes:
        text = text[: max(0, len(text) - 50)]
    return text


def _text(value: str) -> str:
    # A reader of XML takes a carriage return for a line break.
    return escape(_NO_XML.sub("\ufffd", value), {"\r": "&#13;"})


def read_xmp(packet: bytes) -> dict[Property, str]:
    """The text of the simple properties of IPTC's and our namespace, written as elements or as attributes.

    Empty for what is longer than 1 MiB or no XML; the first of a name counts.
    """
    if len(packet) > _MAX_READ_BYTES:
        return {}
    reader = _Reader()
    try:
        reader.parser.Parse(packet, True)
    except (expat.ExpatError, _DoctypeFound):
        return {}
    return reader.properties


class _Reader:
    def __init__(self) -> None:
        self.properties: dict[Property, str] = {}
        self._open: Property | None = None
        self._parts: list[str] = []
        # What the packet says of its encoding is not asked: Python would look a codec of any name up.
        self.parser = expat.ParserCreate("UTF-8", " ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._parts.append

    def _doctype(self, *_: object) -> None:
        raise _DoctypeFound

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        for attribute, value in attributes.items():
            self._keep(_property(attribute), value)
        self._open = _property(name)
        self._parts.clear()

    def _end(self, name: str) -> None:
        if self._open == _property(name):
            self._keep(self._open, "".join(self._parts))
        self._open = None

    def _keep(self, key: Property, value: str) -> None:
        if key[0] in _PREFIXES:
            self.properties.setdefault(key, value)


def _property(name: str) -> Property:
    namespace, _, local = name.rpartition(" ")
    return namespace, local
