"""Labelled points to train on, from tables, and from annotations that are drawn in the viewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat
from voxome.geometry import BlockGrid, Box
from voxome.models.pixels.marks import BLOCK, Marks
from voxome.resources.point_positions import read_positions

COLUMNS = ("z_nm", "y_nm", "x_nm", "class")


@dataclass(frozen=True)
class PointMarks:
    """Labelled voxels at points.

    Attributes
    ----------
    marks : Marks
        Voxels in the order of their blocks, and their classes.
    box : Box
        Voxels that count.
    """

    marks: Marks
    box: Box

    @classmethod
    def of(cls, path: str, spec: VolumeSpec, box: Box, classes: Mapping[str, int]) -> PointMarks:
        """Read points with the columns ``z_nm, y_nm, x_nm, class`` (CSV or Parquet) that are in a box.

        Parameters
        ----------
        path : str
            The table. Positions are in the coordinates of the image, whose voxel 0 has its centre at the offset; a
            class is a name, or a label.
        spec : VolumeSpec
            The image, with a voxel size.
        box : Box
            Voxels that count; points outside are not used, unless they are outside of the image.
        classes : mapping of str to int
            Name of each class → its label.

        Raises
        ------
        NotFound, UnsupportedFormat, InvalidInput
            If there is no such table, a column or class is not known, a point is outside of the image, or a voxel has
            two classes.
        """
        rows = _read_columns(path)
        nm = np.stack([rows[name].astype(np.float64) for name in COLUMNS[:3]], axis=1)
        return cls._at(nm, _class_numbers(rows["class"], classes, path), path, spec, box)

    @classmethod
    def drawn(
        cls, collections: Mapping[str, str], spec: VolumeSpec, box: Box, classes: Mapping[str, int]
    ) -> PointMarks:
        """Read annotations of points that are in a box.

        Parameters
        ----------
        collections : mapping of str to str
            Name of a class → URI of its annotations.
        spec, box, classes
            As of `of`.

        Raises
        ------
        NotFound, UnsupportedFormat, InvalidInput
            If there are no such annotations, they are no points, a class is not known, a point is outside of the image,
            or a voxel has two classes.
        """
        where = ", ".join(collections.values())
        found = [read_positions(uri) for uri in collections.values()]
        names = np.repeat(np.array(list(collections), object), [len(one) for one in found])
        nm = np.concatenate([np.empty((0, 3)), *found])
        return cls._at(nm, _class_numbers(names, classes, where), where, spec, box)

    @classmethod
    def _at(
        cls, nm: NDArray[np.float64], numbers: NDArray[np.int64], path: str, spec: VolumeSpec, box: Box
    ) -> PointMarks:
        size, offset = np.array(spec.voxel_size_nm), np.array(spec.offset_nm)
        voxels = np.floor((nm - offset) / size + 0.5).astype(np.int64)
        inside = ((voxels >= spec.domain.start) & (voxels < spec.domain.stop)).all(axis=1)
        if not inside.all():
            first = ", ".join(f"{n:g}" for n in nm[~inside][0])
            raise InvalidInput(
                f"{(~inside).sum()} points of {path} are outside of the image, the first at {first} nm (z, y, x); "
                "expected positions in nm in the coordinates of the image"
            )
        own = ((voxels >= box.start) & (voxels < box.stop)).all(axis=1)
        return cls(unique_marks(Marks(voxels[own], numbers[own]), path), box)

    def read(self) -> Iterator[Marks]:
        """Yield the labelled voxels block by block."""
        grid = BlockGrid(self.box, BLOCK)
        block = np.zeros(len(self.marks.classes), np.int64)
        for axis, (start, stop, edge) in enumerate(zip(self.box.start, self.box.stop, grid.block, strict=True)):
            block = block * -(-(stop - start) // edge) + (self.marks.voxels[:, axis] - start) // edge
        for number in np.unique(block):
            own = block == number
            yield Marks(self.marks.voxels[own], self.marks.classes[own])


def _read_columns(path: str) -> dict[str, NDArray[np.generic]]:
    """Return the columns of a table, which is small."""
    from pyarrow import csv, parquet

    from voxome.storage.damaged_tables import DAMAGE

    file = Path(path)
    if not file.is_file():
        raise NotFound(f"The table of points {path} does not exist")
    readers = {".csv": csv.read_csv, ".parquet": parquet.read_table}
    if file.suffix not in readers:
        raise UnsupportedFormat(f"{path} is not a table of points; expected a .csv or .parquet file")
    try:
        table = readers[file.suffix](file)
    except MemoryError:
        raise
    except DAMAGE as error:
        raise UnsupportedFormat(f"{path} cannot be read as a table: {error}") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InvalidInput(f"{path} has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    return {name: table[name].to_numpy() for name in COLUMNS}


def _class_numbers(values: NDArray[np.generic], classes: Mapping[str, int], path: str) -> NDArray[np.int64]:
    """Return the number of the class of each point, which a name or a label means."""
    known = {name: number for number, name in enumerate(classes)}
    known |= {str(label): number for number, label in enumerate(classes.values())}
    texts = [str(value) for value in values.tolist()]
    others = sorted({text for text in texts if text not in known})
    if others:
        raise InvalidInput(f"{path} has the classes {', '.join(others[:8])}; expected {', '.join(classes)}")
    return np.array([known[text] for text in texts], np.int64)


def unique_marks(marks: Marks, path: str) -> Marks:
    """Return every voxel once, in C order; no voxel may have two classes."""
    voxels, first, inverse = np.unique(marks.voxels, axis=0, return_index=True, return_inverse=True)
    classes = marks.classes[first]
    if (classes[inverse.reshape(-1)] != marks.classes).any():
        raise InvalidInput(f"{path} has points of two classes in one voxel; expected one class for each voxel")
    return Marks(voxels, classes)
