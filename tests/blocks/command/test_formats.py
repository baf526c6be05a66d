"""Files with one array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from voxome.blocks.command.axes import file_shape, from_file_axes, to_file_axes
from voxome.blocks.command.formats import ARRAY_FORMATS, read_array


@pytest.mark.parametrize("format", ARRAY_FORMATS)
@pytest.mark.parametrize("axes", ["xyz", "czyx", "xyzc", "z1yx", "xyz1"])
@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7), (5, 1, 1), (1, 1, 1), (3, 4, 3)])
def test_arrays_come_back_in_every_format_and_order(
    tmp_path: Path, format: str, axes: str, shape: tuple[int, int, int]
) -> None:
    whole = (*((2,) if "c" in axes else ()), *shape)
    voxels = np.arange(np.prod(whole), dtype=np.float32).reshape(whole)
    path = tmp_path / f"array{ARRAY_FORMATS[format].suffix}"
    dataset = "group/data" if format == "hdf5" else None
    ARRAY_FORMATS[format].write(path, to_file_axes(voxels, axes), dataset)
    array = read_array(format, path, dataset, file_shape(shape, axes, 2))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(from_file_axes(array, axes), voxels)


def test_a_tiff_has_the_shape_that_readers_expect(tmp_path: Path) -> None:
    ARRAY_FORMATS["tiff"].write(tmp_path / "a.tif", np.zeros((4, 3, 5, 2), np.uint8), None)
    assert tifffile.imread(tmp_path / "a.tif").shape == (4, 3, 5, 2)


@pytest.mark.parametrize("options", [{"metadata": None}, {"imagej": True}])
def test_a_stack_of_pages_is_an_array(tmp_path: Path, options: dict[str, object]) -> None:
    pages = np.arange(24 * 30, dtype=np.uint16).reshape(24, 5, 6)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", **options)
    array = read_array("tiff", tmp_path / "a.tif", None, (4, 6, 5, 6))
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, pages.reshape(4, 6, 5, 6))
