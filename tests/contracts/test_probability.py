"""Thresholds of probabilities."""

from __future__ import annotations

from typing import Any

import pytest

from voxome.contracts.probability import threshold_problem
from voxome.contracts.spec import VolumeSpec


@pytest.mark.parametrize(
    ("dtype", "kind", "threshold", "wrong"),
    [
        ("uint8", "probability", 0.5, True),
        ("uint16", "probability", 0.5, True),
        ("uint8", "probability", 0, False),
        ("uint8", "probability", 1, False),
        ("float32", "probability", 0.5, False),
        ("uint8", "image", 0.5, False),
    ],
)
def test_fractions_are_no_thresholds_of_integers(dtype: str, kind: Any, threshold: float, wrong: bool) -> None:
    problem = threshold_problem("at", threshold, "p.zarr", VolumeSpec.of((1, 2, 3), dtype, kind=kind))
    assert (problem is not None) == wrong


def test_the_message_says_what_to_set() -> None:
    spec = VolumeSpec.of((1, 2, 3), "uint16", kind="probability")
    assert threshold_problem("at", 0.25, "p.zarr", spec) == (
        "at is 0.25, but p.zarr is a probability of uint16, of which 65535 is certain: set at to 16383 or so"
    )
