"""Arrays as volumes."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.resources.volume_like import as_volume

IMAGES = ["bool", "int8", "uint8", "int16", "uint16", "float16", "float32", "float64"]
LABELS = ["int32", "uint32", "int64", "uint64"]


@pytest.mark.parametrize(("dtype", "kind"), [*((one, "image") for one in IMAGES), *((one, "labels") for one in LABELS)])
def test_integers_of_32_and_64_bits_are_labels(dtype: str, kind: str) -> None:
    assert as_volume(np.zeros((2, 3, 4), dtype)).spec.kind == kind
