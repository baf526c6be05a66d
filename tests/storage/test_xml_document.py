"""Documents of XML with more tags than are read."""

from __future__ import annotations

import pytest

from voxome.errors import CorruptData
from voxome.storage import bounded_file, xml_document
from voxome.storage.xml_document import parse_xml


@pytest.mark.parametrize("text", ["<a><b/></a>", b"<a><b/></a>"])
def test_documents_have_as_many_bytes_and_tags_as_are_read(monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> None:
    monkeypatch.setattr(xml_document, "MOST_TAGS", 3)
    assert parse_xml(text, "x")[0].tag == "b"
    monkeypatch.setattr(xml_document, "MOST_TAGS", 2)
    with pytest.raises(CorruptData, match="x has 3 tags of XML, more than the 2 that are read"):
        parse_xml(text, "x")
    monkeypatch.setattr(bounded_file, "MOST_DOCUMENT_BYTES", 5)
    with pytest.raises(CorruptData, match="x has more than 5 bytes"):
        parse_xml(text, "x")
