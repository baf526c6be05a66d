"""Labelmaps as volumes: labels are read and written as native blocks, and have levels and ids."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability
from voxome.contracts.levels import Level, coarser, require_level
from voxome.contracts.source import MeshSource, Mode, SkeletonSource, Version
from voxome.errors import CorruptData, InvalidInput, StoreError, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.arrays import require_writable
from voxome.remotes.dvid.label_blocks import compress, decode, decompress, encode, join_blocks, split_blocks
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.resources import linked_source
from voxome.remotes.dvid.tiling import block_box, split_box
from voxome.remotes.dvid.types import InstanceInfo, Triple
from voxome.remotes.dvid.volumes import ATTEMPTS, DELAY_S, RawSource, request_voxels
from voxome.remotes.http import printable_url

CompressedBlocks = Mapping[Triple, memoryview]
Blocks = dict[Triple, NDArray[np.uint64]]


class LabelLevel(RawSource):
    """One level of a labelmap.

    Reads give bodies, or the supervoxels that they consist of. Writes always set supervoxels: where bodies were merged,
    reading back gives the body of the supervoxel written. The server's label index stays correct only if each change
    is sent in the right way: a block that is not stored yet as a native block, a block that changes as voxels with
    ``mutate``, and an unchanged block not at all.

    Parameters
    ----------
    node, instance, info, name, mode, throttle
        As for `RawSource`.
    number : int
        The level; 0 is the finest.
    supervoxels : bool
        Read supervoxels instead of bodies.
    """

    def __init__(
        self,
        node: Node,
        instance: str,
        info: InstanceInfo,
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
        version = super().version()
        labels = "supervoxels" if self._supervoxels else "bodies"
        return Version(f"{version.token}/{labels}/{self._number}", version.pinned)

    def ids(self, box: Box) -> NDArray[np.uint64]:
        """Return the labels in `box`, sorted, without 0."""
        self._check(box)
        parts = split_box(box, self._block, request_voxels() * self._workers)
        ids = np.unique(np.concatenate([np.empty(0, np.uint64), *(_unique_labels(self.read(part)) for part in parts)]))
        return ids[ids != 0]

    def _fetch(self, box: Box, out: NDArray[Any]) -> None:
        labels = out if out.dtype == np.uint64 else np.empty(out.shape, np.uint64)
        blocks = self._get_blocks(box.snap(self._block), supervoxels=self._supervoxels)
        for index in self._block_indices(box):
            block = block_box(index, self._block)
            overlap = block & box
            z, y, x = (a - b for a, b in zip(overlap.start, block.start, strict=True))
            target = labels[overlap.within(box)]
            if index not in blocks:
                target[...] = 0
            else:
                with self._context(index):
                    decode(decompress(blocks[index], self._block), target, shape=self._block, first=(z, y, x))
        if labels is not out:
            out[...] = labels

    def _get_blocks(self, aligned: Box, *, supervoxels: bool) -> CompressedBlocks:
        """Return the stored blocks of a box aligned with the block grid."""
        params: dict[str, Any] = {"compression": "blocks", **self._scale(), **self._params}
        if supervoxels:
            params["supervoxels"] = "true"
        response = self._node.get(self._instance, "blocks", *self._box_path(aligned), **params)
        with self._context(printable_url(response.url)):
            blocks = dict(split_blocks(response.content))
        if unexpected := sorted(set(blocks) - set(self._block_indices(aligned))):
            raise CorruptData(f"{self.name}: the server sent the blocks {unexpected}, which are outside {aligned}")
        return blocks

    @contextmanager
    def _context(self, what: object) -> Iterator[None]:
        """Add the volume and the block or URL to errors raised inside."""
        try:
            yield
        except CorruptData as error:
            raise CorruptData(f"{self.name}, {what}: {error}") from error

    def _scale(self) -> dict[str, str]:
        return {"scale": str(self._number)} if self._number else {}

    def _store(self, box: Box, data: NDArray[Any]) -> None:
        for attempt in range(ATTEMPTS):
            absent, changed = self._changes(box, data)
            try:
                for index, labels in changed.items():
                    self._post_raw(block_box(index, self._block), labels)
                if absent:
                    self._post_blocks(absent)
                return
            except StoreError:
                # The server may have stored some of them, and counts a block twice if it is sent twice: compare again.
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(DELAY_S * 2**attempt)

    def _changes(self, box: Box, data: NDArray[Any]) -> tuple[Blocks, Blocks]:
        """Return the new content of the blocks that are not stored yet, and of those that are stored but differ."""
        stored = self._get_blocks(box.snap(self._block), supervoxels=True)
        absent: Blocks = {}
        changed: Blocks = {}
        for index in self._block_indices(box):
            block = block_box(index, self._block)
            overlap = block & box
            new = np.asarray(data[overlap.within(box)], np.uint64)
            old = np.zeros(self._block, np.uint64)
            if index in stored:
                with self._context(index):
                    decode(decompress(stored[index], self._block), old, shape=self._block)
            if np.array_equal(old[overlap.within(block)], new):
                continue
            if overlap != block:
                old[overlap.within(block)] = new
                new = old
            (changed if index in stored and not self._number else absent)[index] = new
        return absent, changed

    def _post_blocks(self, blocks: Blocks) -> None:
        body = join_blocks((index, compress(encode(labels))) for index, labels in blocks.items())
        params: dict[str, Any] = {**self._scale(), **self._params}
        if self._info.max_level and not self._number:
            params["downres"] = "true"
        self._node.post(self._instance, "blocks", content=body, idempotent=self._number > 0, **params)


class LabelmapSource(LabelLevel):
    """Labelmap at its finest level."""

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return this source as `protocol`, or the meshes or skeletons that the version has of its bodies."""
        found: object = self
        if protocol in (MeshSource, SkeletonSource):
            found = None if self._supervoxels else linked_source(self._node, self._instance, protocol, self.name)
        return found if isinstance(found, protocol) else None

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        """Return the bounding box of a label; unless `exact`, of the blocks that it touches.

        Raises
        ------
        NotFound
            If the label does not exist.
        """
        labels = Labels(self._node, self._instance)
        if exact:
            return labels.runs(label, supervoxel=self._supervoxels).box
        return labels.bounding_box(label, supervoxel=self._supervoxels)

    def reserve_ids(self, count: int) -> range:
        """Reserve labels, which the server will not assign again.

        Raises
        ------
        InvalidInput
            If `count` is less than 1.
        ReadOnly
            If the volume is open for reading.
        """
        if count < 1:
            raise InvalidInput(f"{self.name}: cannot reserve {count} labels; request at least 1")
        require_writable(self.name, self._mode)
        return Labels(self._node, self._instance).reserve(count)

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first; the voxels of each are twice as long as those of the one before."""
        scales = [(2**n, 2**n, 2**n) for n in range(self._info.max_level + 1)]
        specs = [coarser(self._info.spec, scale) for scale in scales]
        return [Level(spec.voxel_size_nm, spec.offset_nm, scale) for spec, scale in zip(specs, scales, strict=True)]

    def level(self, number: int) -> LabelLevel:
        """Return level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If the level does not exist.
        """
        require_level(self.name, number, self._info.max_level + 1)
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

    def downsample(self, *, wait: bool = True) -> str:
        """Return that DVID keeps the levels: it computes them whenever level 0 is written.

        Parameters
        ----------
        wait : bool
            Not used: reads wait for the server.

        Raises
        ------
        UnsupportedFormat
            If the labelmap was created without coarser levels.
        """
        if not self._info.max_level:
            raise UnsupportedFormat(
                f"{self.name} was created without coarser levels, and DVID adds none; set their number when you create "
                "a labelmap: voxome.create(…, encoding={'levels': 3})"
            )
        return f"{self._info.max_level + 1} levels"

    def create_level(self, scale: tuple[int, int, int]) -> LabelLevel:
        """Raise an error: DVID creates levels itself.

        Raises
        ------
        UnsupportedFormat
            Always.
        """
        raise UnsupportedFormat(
            f"{self.name}: cannot add the level {scale}, because DVID creates all levels itself; set their number when "
            "you create the labelmap: voxome.create(…, encoding={'levels': 3})"
        )


def _unique_labels(labels: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the labels in an array, sorted; sorts only the first voxel of each run of equal labels."""
    flat = labels.reshape(-1)
    return np.unique(flat[np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])])
