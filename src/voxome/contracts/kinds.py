"""What goes into a tool and what comes out: kinds of data, as annotations and declarations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import Scale, VolumeKind

Rows = dict[str, NDArray[Any]]
"""A table in memory: one array a column, all of one length."""

Fold = Literal["sum", "min", "max"]
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Image:
    """A volume of intensities.

    Attributes
    ----------
    dtype : str, optional
        Of an output: its dtype. Of an input: the only dtype that is taken; None takes any.
    channels : int or function of the parameters, optional
        Channels before z, y, x; None has no channel axis.
    attributes : mapping or function of the parameters
        Of an output: JSON attributes kept beside the voxels.
    scale : (z, y, x) or function of the parameters
        Of an output: voxels of the frame along one voxel of it.
    """

    dtype: str | None = None
    channels: int | Callable[[Parameters], int] | None = None
    attributes: Mapping[str, Any] | Callable[[Parameters], Mapping[str, Any]] = field(default_factory=dict)
    scale: Scale | Callable[[Parameters], Scale] = (1, 1, 1)
    meaning: VolumeKind = "image"

    def scale_for(self, parameters: Parameters) -> Scale:
        """`scale` (z, y, x) for these parameters."""
        return self.scale(parameters) if callable(self.scale) else self.scale


@dataclass(frozen=True)
class Probability(Image):
    """A volume of probabilities; as uint8, 255 is certainty."""

    dtype: str | None = "uint8"
    meaning: VolumeKind = "probability"


@dataclass(frozen=True)
class Labels(Image):
    """A volume of object ids, uint64; 0 is background."""

    dtype: str | None = "uint64"
    meaning: VolumeKind = "labels"


@dataclass(frozen=True)
class Table:
    """Rows that blocks emit and that are folded into one table sorted by its key.

    Attributes
    ----------
    columns : mapping of str to str
        Column name → dtype.
    key : tuple of str
        Columns that tell one row of the folded table from another; integers.
    fold : mapping of str to {"sum", "min", "max"}
        How every other column of rows with the same key is combined. Sums are of integers only, so that their order
        does not matter.
    """

    columns: Mapping[str, str]
    key: tuple[str, ...]
    fold: Mapping[str, Fold] = field(default_factory=dict)

    def __post_init__(self) -> None:
        others = set(self.columns) - set(self.key)
        if set(self.fold) != others and self.fold:
            raise TypeError(f"fold must say how {sorted(others)} combine, not {sorted(self.fold)}")
        for name, how in self.fold.items():
            if how == "sum" and np.dtype(self.columns[name]).kind not in "iu":
                raise TypeError(f"column {name!r} is a sum of {self.columns[name]}: sums are of integers only")


@dataclass(frozen=True)
class RegionTable:
    """Rows of every region of a tree of regions, kept a region: nothing is folded."""

    columns: Mapping[str, str]


@dataclass(frozen=True)
class File:
    """A file that a whole-volume tool returns as bytes."""

    extension: str


Kind = Image | Table | RegionTable | File
