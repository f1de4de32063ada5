"""What a camera wrote into a photo's XMP packet.

XMP is RDF in XML (ISO 16684-1): a value stands in an attribute of an ``rdf:Description`` or in an
element inside it, and both forms are read. A packet has no document type declaration; one that
has is refused, because entities can name files and swell without end.
"""

from collections.abc import Mapping
from xml.parsers import expat

from skyfix.errors import SkyfixError

DJI = "http://www.dji.com/drone-dji/1.0/"
"""The namespace ``drone-dji`` of DJI's cameras."""

_MAX_PACKET_BYTES = 4 * 2**20
_MAX_TEXT = 1000


def read_xmp(packet: bytes, namespace: str) -> Mapping[str, str]:
    """Values of one namespace by their local names, as text.

    Raises:
        SkyfixError: not XML, a document type or entity declaration, or above 4 MiB.
    """
    if len(packet) > _MAX_PACKET_BYTES:
        raise SkyfixError(f"The XMP packet has {len(packet)} bytes, too many to be one.")
    reader = _Reader(namespace)
    try:
        reader.parser.Parse(packet.strip(b"\0 \r\n\t"), True)
    except expat.ExpatError as error:
        raise SkyfixError(f"The XMP packet is not XML: {error}.") from error
    return reader.values


class _Reader:
    def __init__(self, namespace: str) -> None:
        self._start = f"{namespace} "
        self._element, self._text = "", ""
        self.values: dict[str, str] = {}
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._open
        self.parser.EndElementHandler = self._close
        self.parser.CharacterDataHandler = self._read

    def _refuse(self, *declared: object) -> None:
        raise SkyfixError("The XMP packet declares a document type or entities, which is refused.")

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._element, self._text = name, ""
        for key, value in attributes.items():
            self._keep(key, value)

    def _read(self, text: str) -> None:
        if len(self._text) < _MAX_TEXT:
            self._text += text

    def _close(self, name: str) -> None:
        if name == self._element:
            self._keep(name, self._text)
        self._element = ""

    def _keep(self, name: str, value: str) -> None:
        if name.startswith(self._start):
            self.values[name.removeprefix(self._start)] = value.strip()
