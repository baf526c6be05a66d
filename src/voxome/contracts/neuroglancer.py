"""What Neuroglancer shows of labels besides their voxels: meshes and skeletons, numbers of segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.uri import Uri


@runtime_checkable
class SupportsNeuroglancerFrame(Protocol):
    """A source of labels beside which Neuroglancer shows meshes and skeletons."""

    @property
    def neuroglancer_corner_nm(self) -> tuple[float, float, float] | None:
        """Where Neuroglancer shows the corner of voxel 0 (z, y, x); None without a voxel size."""


@runtime_checkable
class SupportsSegmentProperties(Protocol):
    """A remote that stores numbers of segments, by which Neuroglancer lists, sorts and filters them."""

    def segment_properties_file(self, uri: Uri) -> str:
        """Return the address of the file that `write_segment_properties` writes.

        Raises
        ------
        AlreadyExists
            If something else is stored there.
        ReadOnly
            If nothing can be written there.
        """

    def stored_segment_properties(self, uri: Uri) -> tuple[tuple[str, ...], tuple[Provenance, ...]]:
        """Return the names of the numbers that are there, and what made them, oldest first; both may be empty."""

    def write_segment_properties(
        self,
        uri: Uri,
        ids: NDArray[np.uint64],
        columns: Mapping[str, NDArray[Any]],
        provenance: Provenance | None = None,
    ) -> tuple[str, ...]:
        """Write numbers of segments, in place of those that are there; return the columns that cannot be expressed.

        Parameters
        ----------
        uri : Uri
            Where they are written.
        ids : (n,) array of uint64
            Ids of the segments.
        columns : mapping of str to array
            Their numbers.
        provenance : Provenance, optional
            What made them.

        Raises
        ------
        InvalidInput
            If there are more segments than a viewer can list.
        AlreadyExists, ReadOnly
            See `segment_properties_file`.
        """
