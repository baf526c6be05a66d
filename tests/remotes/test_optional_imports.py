"""What is said when an optional library is missing."""

from __future__ import annotations

import pytest

from voxome.errors import UnsupportedFormat
from voxome.remotes.optional_imports import library


def test_a_missing_library_says_how_to_get_it() -> None:
    with pytest.raises(UnsupportedFormat, match=r"pip install 'voxome\[some\]'"):
        library("a_library_that_is_not_there", "some")


def test_a_library_that_is_there() -> None:
    assert library("json", "none").loads("1") == 1
