"""Numbers of the neurons of a run, by which the viewer lists, sorts and filters them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import ability
from voxome.contracts.encoded_shapes import SupportsSegmentProperties
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import Box
from voxome.resources.table import TableFile

MOST_LISTED = 500_000
"""Neurons that a viewer can list; of more there are no numbers."""
_LARGEST = 2**32 - 1


def neuron_properties(
    neurons: TableFile, synapses: TableFile | None, voxel_size_nm: tuple[float, float, float] | None
) -> Mapping[str, Any] | None:
    """Return the sizes of neurons, and how many synapses they make and receive, in the form of Neuroglancer.

    Parameters
    ----------
    neurons : TableFile
        With the columns ``id`` and ``voxels``.
    synapses : TableFile, optional
        With the columns ``pre_id`` and ``post_id``.
    voxel_size_nm : (z, y, x), optional
        For volumes in µm³.

    Returns
    -------
    mapping or None
        Content of an ``info`` file of segment properties; None if there are too many neurons.
    """
    if not 0 < len(neurons) <= MOST_LISTED:
        return None
    rows = neurons.read(["id", "voxels"])
    ids = rows["id"].astype(np.uint64)
    columns = {"voxels": _whole(rows["voxels"])}
    if voxel_size_nm is not None:
        volumes = rows["voxels"] * (math.prod(voxel_size_nm) / 1e9)
        columns["volume_um3"] = _number("float32", [float(f"{one:.6g}") for one in volumes.tolist()])
    if synapses is not None:
        ends = synapses.read(["pre_id", "post_id"])
        columns["synapses_out"] = _whole(_counts(ids, ends["pre_id"]))
        columns["synapses_in"] = _whole(_counts(ids, ends["post_id"]))
    properties = [{"id": name, **column} for name, column in columns.items()]
    inline = {"ids": [str(one) for one in ids.tolist()], "properties": properties}
    return {"@type": "neuroglancer_segment_properties", "inline": inline}


@dataclass(frozen=True)
class WithProperties:
    """A source of labels with properties of its segments.

    Attributes
    ----------
    labels : VolumeSource
        The labels.
    properties : mapping of str to values
        Content of the ``info`` file.
    """

    labels: VolumeSource
    properties: Mapping[str, Any]

    @property
    def spec(self) -> VolumeSpec:
        return self.labels.spec

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""
        return self.labels.read(box)

    def read_segment_properties(self) -> Mapping[str, Any]:
        """Return the content of the ``info`` file."""
        return self.properties

    def ability(self, protocol: type[Any]) -> Any:
        """Return the properties, or what the labels can do."""
        return self if protocol is SupportsSegmentProperties else ability(self.labels, protocol)


def _whole(values: NDArray[Any]) -> dict[str, Any]:
    if values.max(initial=0) <= _LARGEST:
        return _number("uint32", values.tolist())
    return _number("float32", [float(one) for one in values.tolist()])


def _number(dtype: str, values: list[Any]) -> dict[str, Any]:
    return {"type": "number", "data_type": dtype, "values": values}


def _counts(ids: NDArray[np.uint64], ends: NDArray[Any]) -> NDArray[np.int64]:
    """Return how often each id is an end."""
    found, counts = np.unique(ends.astype(np.uint64), return_counts=True)
    by_id = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return np.array([by_id.get(one, 0) for one in ids.tolist()], np.int64)
