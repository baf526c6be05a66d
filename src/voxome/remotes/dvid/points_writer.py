"""Writing of points and synapses into an annotation instance."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.id_groups import hash_ids
from voxome.contracts.points import PointsSpec
from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Annotations
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat, VoxomeError
from voxome.geometry.places import voxels_at
from voxome.remotes.annotation_checks import require_positions
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.elements import CONFIDENCE, Element, Relation
from voxome.remotes.dvid.lines import CONFIDENCE as LINE_CONFIDENCE
from voxome.remotes.dvid.lines import PRE_CONFIDENCE
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.provenance import add_provenance
from voxome.remotes.dvid.versions import DvidNode
from voxome.remotes.spilled_rows import PARTITIONS, SpilledRows

_LOG = logging.getLogger(__name__)
_TYPE = "annotation"
_DERIVED = ("body",)
"""Relations that DVID finds from positions and labels."""
_POINT_PROPERTIES = ("kind", "confidence", "tags")
_LINE_PROPERTIES = (LINE_CONFIDENCE, PRE_CONFIDENCE)
_END = np.dtype([("at", "<i8", (3,)), ("to", "<i8", (3,)), ("is_post", "?"), ("confidence", "<f8")])
_KINDS = ("PreSyn", "PostSyn")
_RELATIONS = ("PreSynTo", "PostSynTo")


class DvidPointsWriter:
    """Writes points, or lines from pre to post, into an instance.

    A line becomes a presynaptic and a postsynaptic point that refer to each other; lines that share an end share its
    point. Ends are sorted in temporary files first.

    Parameters
    ----------
    uri : Uri
        Of the instance.
    node : Node
        The version.
    instance : str
        Its name; it is created if it does not exist, and must be empty.
    spec : PointsSpec
        With the voxel size.
    labels : str or None
        Labels with which a new instance is synced.
    """

    def __init__(self, uri: Uri, node: Node, instance: str, spec: PointsSpec, labels: str | None) -> None:
        if spec.voxel_size_nm is None:
            raise InvalidInput(f"{uri}: DVID has positions in voxels; give their size (voxel_size_nm, --voxel-size)")
        self._uri, self._name, self._size = uri, str(uri), spec.voxel_size_nm
        self._node, self._instance, self._labels = node, instance, labels
        self._elements = AnnotationInstance(node, instance)
        self._points: list[Element] = []
        self._shape: str | None = None
        kind = node.instances().get(instance)
        if kind not in (None, _TYPE):
            raise AlreadyExists(f"{uri} is a {kind}, not an instance of annotations; choose another name")
        if kind is not None and self._elements.all():
            raise AlreadyExists(f"{uri} has annotations already; edit it with mode='r+', or choose another name")
        self._folder = tempfile.TemporaryDirectory(prefix="voxome-annotations-")
        self._ends = SpilledRows(Path(self._folder.name) / "ends", _END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()
        self._folder.cleanup()

    def write(self, annotations: Annotations) -> None:
        self._shape = annotations.shape
        if annotations.shape == "point":
            self._points += point_elements(annotations, self._size, self._name)
            return
        if annotations.shape != "line":
            raise UnsupportedFormat(
                f"{self._name}: DVID has points and synapses, no annotations of shape {annotations.shape}"
            )
        _require_storable(annotations, _LINE_PROPERTIES, self._name)
        voxels = to_voxels(annotations, self._size, self._name)
        for is_post, name in enumerate((PRE_CONFIDENCE, LINE_CONFIDENCE)):
            rows = np.zeros(len(voxels), _END)
            rows["at"], rows["to"], rows["is_post"] = voxels[:, is_post], voxels[:, 1 - is_post], bool(is_post)
            rows["confidence"] = annotations.properties.get(name, np.nan)
            self._ends.append(rows, _partition(rows["at"]))

    def finish(self, provenance: Provenance | None, part: str | None = None) -> str:
        if part is not None:
            raise UnsupportedFormat(
                f"{self._name}: an instance has annotations of one geometry; write each into its own"
            )
        if self._node.instances().get(self._instance) is None:
            sync = () if self._labels is None else (self._labels,)
            DvidNode(self._node).create_instance(self._instance, _TYPE, sync=sync)
        self._elements.post(self._points)
        for partition in range(PARTITIONS):
            self._elements.post(_synapse_elements(self._ends.read([partition]), self._name))
        if provenance is not None:
            self._keep(provenance)
        uri = self._uri if self._shape != "line" else replace(self._uri, query={**self._uri.query, "shape": "line"})
        return uri.reveal()

    def _keep(self, provenance: Provenance) -> None:
        """Add what made the annotations to the log of the version; that they are there counts more."""
        try:
            add_provenance(self._node, self._instance, provenance)
        except VoxomeError as error:
            _LOG.warning("the provenance of %s is not recorded: %s", self._name, error)


def point_elements(annotations: Annotations, voxel_size_nm: tuple[float, float, float], name: str) -> list[Element]:
    """Return points as elements of DVID.

    Raises
    ------
    UnsupportedFormat
        If they are no points, or have properties or relations that DVID cannot hold.
    InvalidInput
        If a kind is unknown to DVID.
    """
    if annotations.shape != "point":
        raise UnsupportedFormat(f"{name} has points, no annotations of shape {annotations.shape}")
    _require_storable(annotations, _POINT_PROPERTIES, name)
    count, properties = len(annotations), annotations.properties
    voxels = to_voxels(annotations, voxel_size_nm, name)[:, 0]
    kinds = properties.get("kind", np.full(count, "Note"))
    confidences = np.asarray(properties.get("confidence", np.full(count, np.nan)), np.float64)
    tags = properties.get("tags", np.full(count, ""))
    return [
        Element(_point(at), str(kind), tuple(filter(None, str(words).split(","))), _confidence(value))
        for at, kind, value, words in zip(voxels, kinds, confidences.tolist(), tags, strict=True)
    ]


def to_voxels(annotations: Annotations, voxel_size_nm: tuple[float, float, float], name: str) -> NDArray[np.int64]:
    """Return the voxels that contain positions; DVID keeps no more of these."""
    require_positions(annotations, name)
    exact = annotations.positions_nm / np.asarray(voxel_size_nm)
    voxels = voxels_at(annotations.positions_nm, voxel_size_nm)
    moved = int((np.abs(exact - voxels - 0.5) > 1e-6).any(axis=(1, 2)).sum())
    if moved:
        _LOG.warning("%s: DVID keeps the voxel of a position; %d positions are moved to its centre", name, moved)
    return voxels


def _require_storable(annotations: Annotations, properties: tuple[str, ...], name: str) -> None:
    lost = [one for one in annotations.properties if one not in properties]
    lost += [one for one, labels in annotations.relations.items() if one not in _DERIVED and any(map(len, labels))]
    if lost:
        raise UnsupportedFormat(
            f"{name}: DVID cannot hold {', '.join(lost)} of annotations of shape {annotations.shape}; it has the "
            f"properties {', '.join(properties)}, and finds bodies by position. Leave these out"
        )


def _synapse_elements(ends: NDArray[Any], name: str) -> Iterator[Element]:
    """Yield the points of the ends of lines, each with all its partners."""
    order = np.lexsort((*ends["to"].T[::-1], *ends["at"].T[::-1]))
    ends = ends[order]
    new = np.ones(len(ends), np.bool_)
    new[1:] = (ends["at"][1:] != ends["at"][:-1]).any(axis=1)
    for rows in np.split(ends, np.flatnonzero(new)[1:]) if len(ends) else ():
        at, is_post = _point(rows["at"][0]), bool(rows["is_post"][0])
        known = np.unique(rows["confidence"])
        if (rows["is_post"] != is_post).any():
            raise InvalidInput(f"{name}: {at} (z, y, x, in voxels) is the start of a line and the end of another")
        if len(known) > 1:
            raise InvalidInput(f"{name}: the lines at {at} (z, y, x, in voxels) give it several confidences: {known}")
        relations = tuple(dict.fromkeys(Relation(_RELATIONS[is_post], _point(to)) for to in rows["to"]))
        yield Element(at, _KINDS[is_post], (), _confidence(float(known[0])), relations)


def _confidence(value: float) -> Mapping[str, str]:
    return {} if np.isnan(value) else {CONFIDENCE: repr(value)}


def _point(voxel: NDArray[np.int64]) -> tuple[int, int, int]:
    z, y, x = voxel.tolist()
    return z, y, x


def _partition(voxels: NDArray[np.int64]) -> NDArray[np.uint8]:
    hashes = np.zeros(len(voxels), np.uint64)
    for column in voxels.T:
        hashes = hash_ids(hashes ^ column.astype(np.uint64))
    return (hashes & np.uint64(PARTITIONS - 1)).astype(np.uint8)
