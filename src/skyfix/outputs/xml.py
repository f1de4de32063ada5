"""XML elements of fixes: text that every reader takes, positions, files."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from skyfix.files import write_text

# Everything but the characters of XML 1.0, section 2.2; they may not even stand escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add(parent: Element, name: str, text: str = "", /, **attributes: str) -> Element:
    """Append an element; characters that XML cannot hold become U+FFFD."""
    child = SubElement(parent, name, attributes)
    if text:
        child.text = _ILLEGAL.sub("\ufffd", text)
    return child


def degrees_text(value: float) -> str:
    """A coordinate to about a millimetre, never in exponent notation."""
    return f"{value:.8f}"


def write_xml(root: Element, path: Path | str) -> None:
    """Write a document atomically (UTF-8)."""
    indent(root)
    write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, "unicode")}\n')
