"""Order of axes, and voxel sizes of single arrays."""

from __future__ import annotations

from pathlib import Path

import pytest
import zarr
from numpy.testing import assert_array_equal
from remotes.zarr.stores import PLACEMENT, at

from voxome.contracts.spec import VolumeSpec
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing.strategies import noise


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (("x", "y", "z", "c"), ("c", "z", "y", "x")),
        (("X", "Y", "Z", "T"), ("t", "z", "y", "x")),
        (("angle", "x", "y", "z"), ("angle", "z", "y", "x")),
        (("dim_3", "dim_2", "dim_1", "dim_0"), ("c", "z", "y", "x")),
        (None, ("c", "z", "y", "x")),
    ],
)
@pytest.mark.parametrize("format", [2, 3])
def test_named_axes_are_reordered(
    tmp_path: Path, names: tuple[str, ...] | None, axes: tuple[str, ...], format: int
) -> None:
    array = noise((2, 3, 4, 5), "uint8")
    stored = zarr.create_array(
        tmp_path / "a", data=array, zarr_format=format, dimension_names=names if format == 3 else None
    )
    if names and format == 2:
        stored.attrs["_ARRAY_DIMENSIONS"] = names
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert source.spec.axes == axes
    order = (
        tuple(range(4))
        if names is None or names[0] == "dim_3"
        else tuple(names.index(n) if n in names else names.index(n.upper()) for n in axes)
    )
    assert_array_equal(source.read(source.spec.domain), array.transpose(order))


def test_voxel_sizes_of_images_without_depth_are_kept(tmp_path: Path) -> None:
    spec = VolumeSpec.of((8, 8), "uint8", **PLACEMENT)
    assert ZarrRemote().create(at(tmp_path / "a"), spec).spec.voxel_size_nm == PLACEMENT["voxel_size_nm"]
