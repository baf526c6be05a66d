"""Files that hold one array, as foreign programs read and write them: the axes are those of the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput

Array = NDArray[Any]


@dataclass(frozen=True)
class ArrayFormat:
    """How arrays of a format are written and read; both take the name of the dataset, which only HDF5 has.

    Attributes
    ----------
    suffix : str
        End of the names of its files.
    write, read : function
        Of the path, the array, and the dataset.
    keeps_ones : bool
        Whether it has axes of length 1.
    refuses : set of str
        Dtypes that it cannot store.
    """

    suffix: str
    write: Callable[[Path, Array, str | None], None]
    read: Callable[[Path, str | None], Array]
    keeps_ones: bool = True
    refuses: frozenset[str] = frozenset()


def read_array(format: str, path: Path, dataset: str | None = None, expected: tuple[int, ...] = ()) -> Array:
    """Return the array in a file, with the axes that are expected and that its format does not keep.

    Raises
    ------
    InvalidInput
        If the file is damaged, of another format, or holds Python objects (a pickle).
    """
    try:
        array = ARRAY_FORMATS[format].read(path, dataset)
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(f"{path.name} cannot be read as {format}: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InvalidInput(f"{path.name} has the dtype {array.dtype}; expected numbers")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not ARRAY_FORMATS[format].keeps_ones and _without_ones(array.shape) in _shapes_of_images(expected):
        return array.reshape(expected)
    return array


def _shapes_of_images(shape: tuple[int, ...]) -> list[list[int]]:
    """Return the shapes that an array may have without axes of length 1: its own, and that of a stack of its pages."""
    return [_without_ones(shape), _without_ones((math.prod(shape[:-2]), *shape[-2:]))]


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length != 1]


def _write_npy(path: Path, array: Array, _: str | None) -> None:
    np.save(path, array, allow_pickle=False)


def _read_npy(path: Path, _: str | None) -> Array:
    with path.open("rb") as stream:
        start = stream.read(6)
        if start != b"\x93NUMPY":
            pickled = start[:1] == b"\x80"
            raise InvalidInput(
                f"{path.name} is {'a Python pickle' if pickled else 'not a .npy file'}; expected an array that "
                "numpy.save wrote" + ("; pickles are never opened, as they can run any code" if pickled else "")
            )
        stream.seek(0)
        version = np.lib.format.read_magic(stream)
        header = (np.lib.format.read_array_header_1_0 if version == (1, 0) else _later_header)(stream)
    if header[2].hasobject:
        raise InvalidInput(
            f"{path.name} has the dtype object: it is a Python pickle, and pickles are never opened, as they can run "
            "any code; have the program save an array of numbers, or one file for each part of a tuple"
        )
    array: Array = np.load(path, allow_pickle=False)
    return array


def _later_header(stream: Any) -> Any:
    return np.lib.format.read_array_header_2_0(stream)


def _write_hdf5(path: Path, array: Array, dataset: str | None) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset(dataset, data=array)


def _read_hdf5(path: Path, dataset: str | None) -> Array:
    import h5py
    import hdf5plugin  # noqa: F401  codecs

    with h5py.File(path, "r") as file:
        found = file.get(dataset)
        if not isinstance(found, h5py.Dataset):
            raise InvalidInput(f"{path.name} has no dataset {dataset!r}; it has: {', '.join(file) or 'nothing'}")
        array: Array = found[...]
        return array


def _write_tiff(path: Path, array: Array, _: str | None) -> None:
    import tifffile

    tifffile.imwrite(path, array, photometric="minisblack")


def _read_tiff(path: Path, _: str | None) -> Array:
    import tifffile

    array: Array = tifffile.imread(path)
    return array


def _write_nifti(path: Path, array: Array, _: str | None) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(array, np.eye(4), dtype=array.dtype), path)


def _read_nifti(path: Path, _: str | None) -> Array:
    import nibabel

    image: Any = nibabel.load(path)
    scaled = image.dataobj.slope not in (1.0, None) or image.dataobj.inter not in (0.0, None)
    array: Array = np.asanyarray(image.dataobj) if scaled else image.dataobj.get_unscaled()
    return array


def _write_zarr(path: Path, array: Array, _: str | None) -> None:
    import tensorstore

    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": f"{path}/"}}
    store = tensorstore.open(spec, create=True, dtype=array.dtype, shape=array.shape).result()
    store.write(array).result()


def _read_zarr(path: Path, _: str | None) -> Array:
    import tensorstore

    driver = "zarr3" if (path / "zarr.json").exists() else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}}
    array: Array = tensorstore.open(spec, open=True).result().read().result()
    return array


ARRAY_FORMATS: Mapping[str, ArrayFormat] = {
    "hdf5": ArrayFormat(".h5", _write_hdf5, _read_hdf5),
    "nifti": ArrayFormat(".nii", _write_nifti, _read_nifti, keeps_ones=False, refuses=frozenset({"bool", "float16"})),
    "npy": ArrayFormat(".npy", _write_npy, _read_npy),
    "tiff": ArrayFormat(".tif", _write_tiff, _read_tiff, keeps_ones=False),
    "zarr": ArrayFormat(".zarr", _write_zarr, _read_zarr),
}
"""Name in the hint → format."""
