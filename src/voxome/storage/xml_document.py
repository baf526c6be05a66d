"""XML of metadata, each element of which takes some hundred bytes of memory, although its text may have four."""

from __future__ import annotations

from xml.etree import ElementTree

from voxome.errors import CorruptData
from voxome.storage.bounded_file import require_document_size

MOST_TAGS = 2_000_000
"""Most tags of a document: those of an image with 400,000 sections, each with its position and its file."""


def parse_xml(text: bytes | str, name: str) -> ElementTree.Element:
    """Return the root of a document.

    Parameters
    ----------
    text : bytes or str
        The document.
    name : str
        What it is, for messages.

    Raises
    ------
    CorruptData
        If it has more bytes or tags than are read.
    ParseError, ValueError, LookupError
        If it is not XML.
    """
    require_document_size(len(text), name)
    tags = text.count(b"<") if isinstance(text, bytes) else text.count("<")
    if tags > MOST_TAGS:
        raise CorruptData(
            f"{name} has {tags:,} tags of XML, more than the {MOST_TAGS:,} that are read; restore it if it is damaged"
        )
    return ElementTree.fromstring(text)
