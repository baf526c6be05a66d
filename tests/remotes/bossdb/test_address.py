"""Addresses in URIs."""

from __future__ import annotations

import pytest

from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri
from voxome.remotes.bossdb.address import Address


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("", Address(None)),
        ("a", Address(None, ("a",))),
        ("a/b/c", Address(None, ("a", "b", "c"))),
        ("a/b/c/", Address(None, ("a", "b", "c"))),
        ("a/b/c/3", Address(None, ("a", "b", "c"), 3)),
        ("https://h.org", Address("https://h.org")),
        ("https://h.org/a/b-1/c_2/0", Address("https://h.org", ("a", "b-1", "c_2"), 0)),
        ("http://127.0.0.1:80/a/b", Address("http://127.0.0.1:80", ("a", "b"))),
        ("api.h.org/a/b/c", Address("https://api.h.org", ("a", "b", "c"))),
        ("localhost:8000", Address("https://localhost:8000")),
    ],
)
def test_all_forms_are_parsed(path: str, address: Address) -> None:
    assert Address.of(Uri("bossdb", path)) == address


@pytest.mark.parametrize(
    "path", ["a/b/c/d", "a/b/c/10", "a/b/c/1/2", "a/b c/d", "a/b/c?x", "a/../c", "https://h/a/ü/c"]
)
def test_other_forms_are_refused(path: str) -> None:
    with pytest.raises(InvalidUri, match="COLLECTION/EXPERIMENT/CHANNEL"):
        Address.of(Uri("bossdb", path))


def test_an_address_is_written_as_it_was_parsed() -> None:
    for text in ("bossdb://a/b/c/2", "bossdb://https://h.org/a/b"):
        assert str(Address.of(Uri.parse(text))) == text
    assert str(Address.of(Uri.parse("bossdb://a")).child("b")) == "bossdb://a/b"


def test_a_channel_is_required() -> None:
    with pytest.raises(InvalidUri, match="does not name a channel"):
        Address.of(Uri.parse("bossdb://a/b")).require_channel()
