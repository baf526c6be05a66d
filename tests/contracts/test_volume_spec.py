"""Specs of volumes, and abilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.abilities import SupportsAttributes, SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.testing.strategies import boxes, specs


def test_a_spec_is_built_from_shape_and_start() -> None:
    spec = VolumeSpec.of((4, 5, 6), ">u2", chunk=[2, 2, 2], start=(-1, 0, 1), voxel_size_nm=(40, 4, 4))
    assert spec.domain == Box((-1, 0, 1), (3, 5, 7))
    assert spec.dtype == np.dtype("uint16")
    assert spec.dtype.isnative
    assert spec.axes == ("z", "y", "x")
    assert spec.read_chunk == spec.write_chunk == (2, 2, 2)
    assert (spec.kind, spec.fill, spec.offset_nm, dict(spec.attributes)) == ("image", 0, (0, 0, 0), {})


@pytest.mark.parametrize(
    "changes",
    [
        {"axes": ("z", "y")},
        {"axes": ("z", "y", "y")},
        {"read_chunk": (1, 1)},
        {"write_chunk": (1, 0, 1)},
        {"voxel_size_nm": (1, 1)},
        {"voxel_size_nm": (1, 0, 1)},
    ],
)
def test_invalid_specs_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(changes))):
        VolumeSpec.of((4, 5, 6), "uint8").replace(**changes)


@given(specs())
def test_replace_changes_only_the_named_fields(spec: VolumeSpec) -> None:
    changed = spec.replace(kind="labels", dtype=np.dtype("uint64"))
    assert changed.replace(kind=spec.kind, dtype=spec.dtype) == spec
    assert (changed.kind, changed.domain) == ("labels", spec.domain)


@given(st.permutations(["t", "c", "z", "y", "x"]), st.data())
def test_lift_adds_complete_other_axes_and_spatial_box_drops_them(axes: list[str], data: st.DataObject) -> None:
    spec = VolumeSpec.of((2, 3, 4, 5, 6), "uint8", axes=tuple(axes), start=(-1, 2, 0, 3, -4))
    box = data.draw(boxes(spec.frame))
    lifted = spec.lift(box)
    assert lifted in spec.domain
    assert spec.spatial_box(lifted) == box
    for axis, name in enumerate(axes):
        if name in "tc":
            assert (lifted.start[axis], lifted.stop[axis]) == (spec.domain.start[axis], spec.domain.stop[axis])
    assert [axes[i] for i in spec.spatial] == ["z", "y", "x"]


def test_a_frame_needs_three_axes() -> None:
    with pytest.raises(InvalidInput, match="axes z, y and x, not y/x"):
        _ = VolumeSpec.of((4, 5), "uint8").frame


class Plain:
    def update_attributes(self, changes: Any) -> None: ...


class Wrapper:
    def ability(self, protocol: type) -> object | None:
        return None


def test_an_ability_is_found_on_a_source_but_not_assumed_of_a_wrapper() -> None:
    source = Plain()
    assert ability(source, SupportsAttributes) is source
    assert ability(source, SupportsLevels) is None
    assert ability(Wrapper(), SupportsAttributes) is None


def test_shards_are_write_chunks_and_default_to_the_chunk() -> None:
    spec = VolumeSpec.of((8, 8, 8), "uint8", chunk=(2, 2, 2), write_chunk=(4, 4, 4))
    assert (spec.read_chunk, spec.write_chunk) == ((2, 2, 2), (4, 4, 4))
    assert VolumeSpec.of((8, 8, 8), "uint8", chunk=(2, 2, 2)).write_chunk == (2, 2, 2)
