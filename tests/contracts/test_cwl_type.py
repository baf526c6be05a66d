"""CWL types of Python annotations."""

from __future__ import annotations

from typing import Any

import pytest

from voxome.contracts.cwl_type import cwl_type


@pytest.mark.parametrize("annotation", [dict[str, int], int | str, tuple[int, str], bytes])
def test_types_without_a_cwl_type_are_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="CWL has no type"):
        cwl_type(annotation)
