"""TOML files of strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.toml_text import read_toml
from voxome.errors import InvalidInput


def test_values_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[a]\nb = 1\n")
    assert read_toml(file) == {"a": {"b": 1}}
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "b.toml")


@pytest.mark.parametrize(
    "content",
    [b"a = ", b"a = \xff", b"a = " + b"[" * 5000 + b"]" * 5000, b"a = " + b"9" * 5000, b"a: 1", b"a = 1\0"],
    ids=["no value", "no text", "levels", "digits", "yaml", "nul"],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"a\.toml is not a TOML file"):
        read_toml(file)
