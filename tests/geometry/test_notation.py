"""Shapes and voxel sizes as text."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.geometry.notation import comma_text, parse_shape


def test_numbers_have_commas_and_no_spaces() -> None:
    assert comma_text((20, 16, 12)) == "20,16,12"
    assert comma_text([np.int64(20), 12345678901]) == "20,12345678901"
    assert comma_text((33.5, 8.0, 1234567.25)) == "33.5,8,1234567.25"
    assert comma_text("zyx") == "z,y,x"
    assert comma_text(()) == ""


@pytest.mark.parametrize("text", ["", "8", "8,8", "8,8,8,8", "8,8,0", "-1,8,8", "8,8,x", "8,8,1.5"])
def test_other_text_is_no_shape(text: str) -> None:
    with pytest.raises(ValueError, match="expected three whole numbers of at least 1"):
        parse_shape(text)


def test_a_shape_is_read_back() -> None:
    assert parse_shape(comma_text((64, 128, 128))) == (64, 128, 128)
