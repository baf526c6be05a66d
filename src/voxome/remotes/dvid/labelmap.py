"""Labelmaps: labels travel as native blocks both ways, and have levels and ids."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.config.settings import setting
from voxome.contracts.abilities import Level
from voxome.contracts.source import Mode, Version
from voxome.errors import CorruptData, InvalidInput, NotFound, ReadOnly, StoreError, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.dvid.label_blocks import decode, encode, join, pack, part, unpack
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.tiling import block_box, pieces
from voxome.remotes.dvid.types import Info, Triple
from voxome.remotes.dvid.volumes import DELAY_S, PIECE_VOXELS, TRIES, RawSource
from voxome.remotes.http import printable_url
from voxome.remotes.levels import coarser

Packed = Mapping[Triple, memoryview]


class LabelLevel(RawSource):
    """One level of a labelmap.

    Bodies are read, or the supervoxels that they are made of; what is written is always supervoxels, so where bodies
    were merged, what is read back is the body of what was written. The server keeps the index of its labels right only
    if it is told what was there: a new block goes as a native block, one that changes as voxels with ``mutate``, one
    that is as it was not at all.

    Parameters
    ----------
    node, instance, info, name, mode, throttle
        As those of `RawSource`.
    number : int
        The level; 0 is the finest.
    supervoxels : bool
        Read supervoxels instead of bodies.
    """

    def __init__(
        self,
        node: Node,
        instance: str,
        info: Info,
        *,
        name: str,
        mode: Mode,
        throttle: bool = False,
        number: int = 0,
        supervoxels: bool = False,
    ) -> None:
        super().__init__(node, instance, info, name=name, mode=mode, throttle=throttle)
        self._number, self._supervoxels = number, supervoxels
        self._spec = coarser(info.spec, (2**number,) * 3) if number else info.spec

    def version(self) -> Version:
        whole = super().version()
        kind = "supervoxels" if self._supervoxels else "bodies"
        return Version(f"{whole.token}/{kind}/{self._number}", whole.pinned)

    def ids(self, box: Box) -> NDArray[np.uint64]:
        """The labels in `box`, sorted, without 0."""
        self._check(box)
        size = setting("DVID_PIECE_VOXELS", PIECE_VOXELS) * self._workers
        found = [_different(self.read(piece)) for piece in pieces(box, self._block, size)]
        every = np.unique(np.concatenate([np.empty(0, np.uint64), *found]))
        return every[every != 0]

    def _fetch(self, box: Box, out: NDArray[Any]) -> None:
        labels = out if out.dtype == np.uint64 else np.empty(out.shape, np.uint64)
        packed = self._packed(box.snap(self._block), supervoxels=self._supervoxels)
        for place in self._blocks(box):
            whole = block_box(place, self._block)
            seen = whole & box
            first = tuple(a - b for a, b in zip(seen.start, whole.start, strict=True))
            target = labels[seen.within(box)]
            if place not in packed:
                target[...] = 0
            else:
                with self._named(place):
                    decode(unpack(packed[place]), target, shape=self._block, first=(first[0], first[1], first[2]))
        if labels is not out:
            out[...] = labels

    def _packed(self, whole: Box, *, supervoxels: bool) -> Packed:
        """The stored blocks of a box of whole ones."""
        params: dict[str, Any] = {"compression": "blocks", **self._scale(), **self._params}
        if supervoxels:
            params["supervoxels"] = "true"
        answer = self._node.get(self._instance, "blocks", *self._place(whole), **params)
        with self._named(printable_url(answer.url)):
            found = dict(part(answer.content))
        if foreign := set(found) - set(self._blocks(whole)):
            raise CorruptData(f"{self.name}: the server sent the blocks {sorted(foreign)}, which {whole} does not hold")
        return found

    @contextmanager
    def _named(self, what: object) -> Iterator[None]:
        """Errors inside tell which volume they are of, and which block or answer."""
        try:
            yield
        except CorruptData as error:
            raise CorruptData(f"{self.name}, {what}: {error}") from error

    def _scale(self) -> dict[str, str]:
        return {"scale": str(self._number)} if self._number else {}

    def _store(self, box: Box, data: NDArray[Any]) -> None:
        for attempt in range(TRIES):
            fresh, changed = self._compared(box, data)
            try:
                for place, labels in changed.items():
                    self._post_raw(block_box(place, self._block), labels)
                if fresh:
                    self._post_blocks(fresh)
                return
            except StoreError:
                # The server may have stored some: they are compared again, for a block counts twice if sent twice.
                if attempt == TRIES - 1:
                    raise
                time.sleep(DELAY_S * 2**attempt)

    def _compared(
        self, box: Box, data: NDArray[Any]
    ) -> tuple[dict[Triple, NDArray[np.uint64]], dict[Triple, NDArray[np.uint64]]]:
        """The blocks as they are to be: those that are not stored yet, and those that are but differ."""
        stored = self._packed(box.snap(self._block), supervoxels=True)
        fresh: dict[Triple, NDArray[np.uint64]] = {}
        changed: dict[Triple, NDArray[np.uint64]] = {}
        for place in self._blocks(box):
            whole = block_box(place, self._block)
            seen = whole & box
            new = np.asarray(data[seen.within(box)], np.uint64)
            old = np.zeros(self._block, np.uint64)
            if place in stored:
                with self._named(place):
                    decode(unpack(stored[place]), old, shape=self._block)
            if np.array_equal(old[seen.within(whole)], new):
                continue
            if seen != whole:
                old[seen.within(whole)] = new
                new = old
            (changed if place in stored and not self._number else fresh)[place] = new
        return fresh, changed

    def _post_blocks(self, blocks: Mapping[Triple, NDArray[np.uint64]]) -> None:
        body = join((place, pack(encode(labels))) for place, labels in blocks.items())
        params: dict[str, Any] = {**self._scale(), **self._params}
        if self._info.coarsest and not self._number:
            params["downres"] = "true"
        self._node.post(self._instance, "blocks", content=body, idempotent=self._number > 0, **params)


class LabelmapSource(LabelLevel):
    """A labelmap at its finest level."""

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        """The box of a label; without `exact`, of the blocks that it is in.

        Raises
        ------
        NotFound
            If there is no such label.
        """
        labels = Labels(self._node, self._instance)
        if exact:
            return labels.runs(label, supervoxel=self._supervoxels).box
        return labels.bounding_box(label, supervoxel=self._supervoxels)

    def reserve_ids(self, count: int) -> range:
        """Labels that the server gives to nobody else.

        Raises
        ------
        InvalidInput
            If none are asked for.
        ReadOnly
            If the volume is open for reading.
        """
        if count < 1:
            raise InvalidInput(f"{self.name}: {count} labels cannot be reserved; ask for at least 1")
        if self._mode == "r":
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")
        return Labels(self._node, self._instance).reserve(count)

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first; each has voxels twice as long as the one before."""
        scales = [(2**n, 2**n, 2**n) for n in range(self._info.coarsest + 1)]
        return [Level(scale, coarser(self._info.spec, scale).offset_nm) for scale in scales]

    def level(self, number: int) -> LabelLevel:
        """Level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If there is no such level.
        """
        if not 0 <= number <= self._info.coarsest:
            raise NotFound(f"{self.name} has no level {number}: its levels are 0 to {self._info.coarsest}")
        return LabelLevel(
            self._node,
            self._instance,
            self._info,
            name=f"{self.name} at level {number}",
            mode=self._mode,
            throttle=bool(self._params),
            number=number,
            supervoxels=self._supervoxels,
        )

    def create_level(self, scale: tuple[int, int, int]) -> LabelLevel:
        """Not possible: DVID makes levels itself.

        Raises
        ------
        UnsupportedFormat
            Always.
        """
        raise UnsupportedFormat(
            f"{self.name}: the level {scale} cannot be added; DVID makes all levels itself, as many as it is told when "
            "the labelmap is created: voxome.create(…, encoding={'levels': 3})"
        )


def _different(labels: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The labels in an array, sorted; only where a run of one label begins is looked at."""
    flat = labels.reshape(-1)
    return np.unique(flat[np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])])
