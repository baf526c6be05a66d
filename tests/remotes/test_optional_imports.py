"""Errors for optional libraries that are missing."""

from __future__ import annotations

import pytest

from voxome.errors import UnsupportedFormat
from voxome.remotes.optional_imports import library


def test_a_missing_library_names_its_extra() -> None:
    with pytest.raises(UnsupportedFormat, match=r"pip install 'voxome\[some\]'"):
        library("a_library_that_is_not_there", "some")


def test_an_installed_library_is_imported() -> None:
    assert library("json", "none").loads("1") == 1
