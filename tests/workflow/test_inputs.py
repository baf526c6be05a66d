"""Inputs that are handle files."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import InvalidInput
from voxome.workflow.inputs import read_handle


@pytest.mark.parametrize("content", [b"PAR1\x15\x04\x15\x8c", b"cells"])
def test_a_result_in_place_of_its_handle_is_refused_with_what_to_give(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cells.parquet").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"is not a voxome handle, such as the NAME\.handle\.json"):
        read_handle(f"{tmp_path}/cells.parquet")
