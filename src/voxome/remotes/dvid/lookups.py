"""Look-ups of points, bodies and supervoxels in a labelmap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData, InvalidInput, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.dvid.instance import (
    Instance,
    as_labels,
    as_points,
    is_absent,
    query_params,
)
from voxome.remotes.dvid.types import InstanceInfo
from voxome.remotes.dvid.voxel_labels import read_labels

BATCH = 10_000
"""Number of points or labels per request."""
PAGE = 1_000_000
"""Number of labels per request of a list."""
_INT32_MAX = np.iinfo(np.int32).max


class Lookups(Instance):
    """Look-ups of labels. A *body* is a set of *supervoxels*, which are stored in the voxels."""

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Voxel size along z, y, x.

        Raises
        ------
        UnsupportedFormat
            If the server's unit is not a length.
        """
        size = InstanceInfo.parse(self.name, self.info).voxel_size_nm
        if size is None:
            units = self.info["Extended"]["VoxelUnits"]
            raise UnsupportedFormat(f"{self.name} has a voxel size in {units}; expected a unit of length")
        return size

    def at(self, points: ArrayLike, *, scale: int = 0, supervoxels: bool = False) -> NDArray[np.uint64]:
        """Return the label at each point, 0 outside the volume and in the background.

        Parameters
        ----------
        points : (n, 3) array of int
            z, y, x in voxels of `scale`.
        scale : int
            Level of the pyramid; 0 is the finest.
        supervoxels : bool
            Return supervoxels instead of bodies.

        Returns
        -------
        (n,) array of uint64
        """
        rows = as_points(points)
        # The server answers a point below 0 with the label of another voxel, and refuses one beyond 32 bits.
        sendable = ((rows >= 0) & (rows <= _INT32_MAX)).all(axis=1)
        labels = np.empty(len(rows), np.uint64)
        params = query_params(scale=scale, supervoxels=supervoxels)
        labels[sendable] = self._lookup("labels", rows[sendable][:, ::-1], **params)
        if not sendable.all():
            labels[~sendable] = read_labels(self.node, self.name, rows[~sendable], scale=scale, supervoxels=supervoxels)
        return labels

    def bodies_of(self, supervoxels: Iterable[int]) -> NDArray[np.uint64]:
        """Return the body of each supervoxel; 0 if the supervoxel does not exist."""
        return self._lookup("mapping", as_labels(supervoxels))

    def sizes(self, labels: Iterable[int], *, supervoxels: bool = False) -> NDArray[np.int64]:
        """Return the number of voxels of each body (or supervoxel); 0 if it does not exist."""
        return self._lookup("sizes", as_labels(labels), **query_params(supervoxels=supervoxels)).astype(np.int64)

    def size(self, label: int, *, supervoxel: bool = False) -> int:
        """Return the number of voxels of one body (or supervoxel).

        Raises
        ------
        NotFound
            If it does not exist.
        """
        with self._translate_not_found(label, supervoxel):
            options = query_params(supervoxels=supervoxel)
            return self._get_json("size", check_label(label), parse=lambda reply: int(reply["voxels"]), **options)

    def supervoxels(self, label: int) -> NDArray[np.uint64]:
        """Return the supervoxels of a body, sorted.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label):
            return np.sort(self._get_json("supervoxels", check_label(label), parse=as_labels))

    def supervoxel_sizes(self, label: int) -> Rows:
        """Return the supervoxels of a body and their sizes: ``supervoxel`` and ``voxels``, sorted.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label):
            return self._get_json("supervoxel-sizes", check_label(label), parse=_supervoxel_sizes)

    def bounding_box(self, label: int, *, supervoxel: bool = False) -> Box:
        """Return the box (z, y, x) of the blocks that a body touches.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label, supervoxel):
            options = query_params(supervoxels=supervoxel)
            return self._get_json("sparsevol-size", check_label(label), parse=_bounding_box, **options)

    def all_bodies(self) -> NDArray[np.uint64]:
        """Return all bodies, sorted."""
        return np.sort(self._get_json("existing-labels", parse=as_labels))

    def list_bodies(self, *, start: int = 0, count: int | None = None) -> Rows:
        """Return a range of bodies and their sizes: ``body`` and ``voxels``, sorted.

        Parameters
        ----------
        start : int
            Lowest label to list.
        count : int, optional
            Maximum number of bodies; all if None.
        """
        parts: list[NDArray[np.uint64]] = [np.empty((0, 2), np.uint64)]
        remaining = count
        while remaining is None or remaining > 0:
            page = PAGE if remaining is None else min(remaining, PAGE)
            parts.append(self._pairs("listlabels", start=start, number=page, sizes="true"))
            if len(parts[-1]) < page:
                break
            start, remaining = int(parts[-1][-1, 0]) + 1, None if remaining is None else remaining - page
        rows = np.concatenate(parts)
        return {"body": rows[:, 0], "voxels": rows[:, 1].astype(np.int64)}

    def mappings(self) -> Rows:
        """Return the supervoxels whose label differs from that of their body: ``supervoxel`` and ``body``, sorted.

        Body 0 means that the supervoxel no longer exists, or that only a body has that label.
        """
        pairs = self._pairs("mappings", format="binary")
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        return {"supervoxel": pairs[:, 0], "body": pairs[:, 1]}

    @property
    def max_label(self) -> int:
        """Highest label in use.

        Raises
        ------
        NotFound
            If nothing has been written yet.
        """
        try:
            return self._get_json("maxlabel", parse=lambda reply: int(reply["maxlabel"]))
        except InvalidInput as error:
            if "No maximum label" not in str(error):
                raise
            raise NotFound(f"{self.name} has no labels yet") from None

    @property
    def next_label(self) -> int:
        """Label that the next edit will assign."""
        return self._get_json("nextlabel", parse=lambda reply: int(reply["nextlabel"]))

    def reserve(self, count: int) -> range:
        """Reserve new labels, which the server will not assign again.

        Raises
        ------
        InvalidInput
            If `count` is less than 1.
        """
        if count < 1:
            raise InvalidInput(f"cannot reserve {count} labels; request at least 1")

        def parse(reply: Any) -> range:
            labels = range(reply["start"], reply["end"] + 1)
            if len(labels) != count:
                raise ValueError(f"{count} labels were requested")
            return labels

        return self._post_json("nextlabel", count, parse=parse, idempotent=True)

    def _lookup(self, endpoint: str, items: NDArray[Any], **params: Any) -> NDArray[np.uint64]:
        """Return the results of a bulk request, one for each item."""

        def request(batch: NDArray[Any]) -> NDArray[np.uint64]:
            return self._query_json(endpoint, body=batch.tolist(), parse=as_labels, **params)

        return np.concatenate([np.empty(0, np.uint64), *self._in_batches(request, items, BATCH)])

    def _pairs(self, *parts: object, **params: Any) -> NDArray[np.uint64]:
        """Request pairs of labels of 16 bytes each."""
        data = self._get(*parts, **params)
        if len(data) % 16:
            raise CorruptData(f"{self.name}: {parts[0]} sent {len(data)} bytes, which are not pairs of uint64")
        return np.frombuffer(data, "<u8").reshape(-1, 2)

    @contextmanager
    def _translate_not_found(self, label: int, supervoxel: bool = False) -> Iterator[None]:
        """Raise `NotFound` with the label in its message, which DVID's own often lacks."""
        try:
            yield
        except NotFound as error:
            if not is_absent(error):
                raise
            what = "supervoxel" if supervoxel else "body"
            raise NotFound(f"no {what} {label} in {self.name} of version {self.node.uuid}") from None


def _supervoxel_sizes(reply: Mapping[str, Any]) -> Rows:
    supervoxels, voxels = as_labels(reply["supervoxels"]), np.array(reply["sizes"], np.int64)
    if supervoxels.shape != voxels.shape:
        raise ValueError("one size per supervoxel was expected")
    order = np.argsort(supervoxels)
    return {"supervoxel": supervoxels[order], "voxels": voxels[order]}


def _bounding_box(reply: Mapping[str, Any]) -> Box:
    """Parse a box from DVID's first and last voxel (x, y, z)."""
    (x0, y0, z0), (x1, y1, z1) = reply["minvoxel"], reply["maxvoxel"]
    return Box((z0, y0, x0), (z1 + 1, y1 + 1, x1 + 1))


def check_label(label: int) -> int:
    """Return a label unchanged.

    Raises
    ------
    InvalidInput
        If it is 0, the background, or not a label.
    """
    number = int(as_labels([label])[0])
    if number == 0:
        raise InvalidInput("label 0 is the background, not a body")
    return number
