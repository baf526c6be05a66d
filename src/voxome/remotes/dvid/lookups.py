"""What a labelmap says of points, bodies and supervoxels."""

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
    given,
    is_absent,
)
from voxome.remotes.dvid.types import Info

BATCH = 10_000
"""Points or labels asked for at once."""
PAGE = 1_000_000
"""Labels listed at once."""


class Lookups(Instance):
    """Questions about labels. A *body* is a set of *supervoxels*, which are what the voxels hold."""

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel along z, y, x.

        Raises
        ------
        UnsupportedFormat
            If the server has them in no unit of length.
        """
        size = Info.of(self.name, self.info).voxel_size_nm
        if size is None:
            units = self.info["Extended"]["VoxelUnits"]
            raise UnsupportedFormat(f"{self.name} has voxels measured in {units}, which is no unit of length")
        return size

    def at(self, points: ArrayLike, *, scale: int = 0, supervoxels: bool = False) -> NDArray[np.uint64]:
        """The label of each point, 0 outside and in the background.

        Parameters
        ----------
        points : (n, 3) array of int
            z, y, x in voxels of `scale`.
        scale : int
            Level of the pyramid; 0 is the finest.
        supervoxels : bool
            Give supervoxels, not bodies.

        Returns
        -------
        (n,) array of uint64
        """
        rows = as_points(points)[:, ::-1]
        return self._many("labels", rows, **given(scale=scale, supervoxels=supervoxels))

    def bodies_of(self, supervoxels: Iterable[int]) -> NDArray[np.uint64]:
        """The body of each supervoxel, 0 where there is no such supervoxel."""
        return self._many("mapping", as_labels(supervoxels))

    def sizes(self, labels: Iterable[int], *, supervoxels: bool = False) -> NDArray[np.int64]:
        """Voxels of each body (or supervoxel), 0 where there is none."""
        return self._many("sizes", as_labels(labels), **given(supervoxels=supervoxels)).astype(np.int64)

    def size(self, label: int, *, supervoxel: bool = False) -> int:
        """Voxels of one body (or supervoxel).

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._naming(label, supervoxel):
            options = given(supervoxels=supervoxel)
            return self._json("size", checked_label(label), read=lambda said: int(said["voxels"]), **options)

    def supervoxels(self, label: int) -> NDArray[np.uint64]:
        """The supervoxels of a body, sorted.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label):
            return np.sort(self._json("supervoxels", checked_label(label), read=as_labels))

    def supervoxel_sizes(self, label: int) -> Rows:
        """The supervoxels of a body: ``supervoxel`` and ``voxels``, sorted.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label):
            return self._json("supervoxel-sizes", checked_label(label), read=_supervoxel_sizes)

    def bounding_box(self, label: int, *, supervoxel: bool = False) -> Box:
        """A box (z, y, x) of whole blocks that holds all voxels of a body.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label, supervoxel):
            options = given(supervoxels=supervoxel)
            return self._json("sparsevol-size", checked_label(label), read=_bounding_box, **options)

    def existing(self) -> NDArray[np.uint64]:
        """All bodies there are, sorted."""
        return np.sort(self._json("existing-labels", read=as_labels))

    def listed(self, *, start: int = 0, count: int | None = None) -> Rows:
        """Bodies in order with their sizes: ``body`` and ``voxels``.

        Parameters
        ----------
        start : int
            The lowest body wanted.
        count : int, optional
            How many at most; all if None.
        """
        parts: list[NDArray[np.uint64]] = [np.empty((0, 2), np.uint64)]
        wanted = count
        while wanted is None or wanted > 0:
            page = PAGE if wanted is None else min(wanted, PAGE)
            parts.append(self._pairs("listlabels", start=start, number=page, sizes="true"))
            if len(parts[-1]) < page:
                break
            start, wanted = int(parts[-1][-1, 0]) + 1, None if wanted is None else wanted - page
        rows = np.concatenate(parts)
        return {"body": rows[:, 0], "voxels": rows[:, 1].astype(np.int64)}

    def mappings(self) -> Rows:
        """Every supervoxel that is in a body of another name: ``supervoxel`` and ``body``, sorted.

        Body 0 says that there is no such supervoxel any more, or that its name is in use for a body only.
        """
        pairs = self._pairs("mappings", format="binary")
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        return {"supervoxel": pairs[:, 0], "body": pairs[:, 1]}

    @property
    def max_label(self) -> int:
        """The highest label in use.

        Raises
        ------
        NotFound
            If nothing was ever written.
        """
        try:
            return self._json("maxlabel", read=lambda said: int(said["maxlabel"]))
        except InvalidInput as error:
            if "No maximum label" not in str(error):
                raise
            raise NotFound(f"{self.name} has no labels yet") from None

    @property
    def next_label(self) -> int:
        """The label that the next edit would give."""
        return self._json("nextlabel", read=lambda said: int(said["nextlabel"]))

    def reserve(self, count: int) -> range:
        """Take so many new labels that no one else will be given.

        Raises
        ------
        InvalidInput
            If `count` is less than 1.
        """
        if count < 1:
            raise InvalidInput(f"{count} labels cannot be reserved; ask for 1 or more")

        def read(said: Any) -> range:
            labels = range(said["start"], said["end"] + 1)
            if len(labels) != count:
                raise ValueError(f"{count} labels were asked for")
            return labels

        return self._posted("nextlabel", count, read=read, idempotent=True)

    def _many(self, question: str, items: NDArray[Any], **params: Any) -> NDArray[np.uint64]:
        """The answers to a question about each item."""

        def ask(part: NDArray[Any]) -> NDArray[np.uint64]:
            return self._asked(question, body=part.tolist(), read=as_labels, **params)

        return np.concatenate([np.empty(0, np.uint64), *self._each(ask, items, BATCH)])

    def _pairs(self, *parts: object, **params: Any) -> NDArray[np.uint64]:
        """Pairs of labels, 16 bytes each."""
        data = self._get(*parts, **params)
        if len(data) % 16:
            raise CorruptData(f"{self.name}: {parts[0]} answered {len(data)} bytes, which are no pairs of uint64")
        return np.frombuffer(data, "<u8").reshape(-1, 2)

    @contextmanager
    def _naming(self, label: int, supervoxel: bool = False) -> Iterator[None]:
        """Raise `NotFound` that names the label: of many, DVID's own answer says nothing."""
        try:
            yield
        except NotFound as error:
            if not is_absent(error):
                raise
            what = "supervoxel" if supervoxel else "body"
            raise NotFound(f"there is no {what} {label} in {self.name} of version {self.node.uuid}") from None


def _supervoxel_sizes(said: Mapping[str, Any]) -> Rows:
    supervoxels, voxels = as_labels(said["supervoxels"]), np.array(said["sizes"], np.int64)
    if supervoxels.shape != voxels.shape:
        raise ValueError("a size of each supervoxel was expected")
    order = np.argsort(supervoxels)
    return {"supervoxel": supervoxels[order], "voxels": voxels[order]}


def _bounding_box(said: Mapping[str, Any]) -> Box:
    """A box of DVID's first and last voxel, x, y, z."""
    (x0, y0, z0), (x1, y1, z1) = said["minvoxel"], said["maxvoxel"]
    return Box((z0, y0, x0), (z1 + 1, y1 + 1, x1 + 1))


def checked_label(label: int) -> int:
    """The same label.

    Raises
    ------
    InvalidInput
        If it is 0, the background, or no label at all.
    """
    number = int(as_labels([label])[0])
    if number == 0:
        raise InvalidInput("label 0 is the background; it cannot be asked for or edited as a body")
    return number
