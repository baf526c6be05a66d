"""Detection of the synapses of a box by the tools of the EM pipeline, block by block.

The maps between the passes (membranes, score, components) are arrays in a temporary folder, so memory holds one block
and a few numbers for every synapse. Nothing depends on the blocks, nor on the box: grey values are those of the whole
image, ids are voxels of its domain, and a margin around the box is searched too, so that synapses at its border are
seen whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Tool
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Halo
from voxome.resources.extended import Extended
from voxome.resources.open import create_source
from voxome.resources.rows import combine, concatenate
from voxome.resources.sample import sample_blocks
from voxome.resources.table import TableFile, write_table
from voxome.tools.common.components import touching_pairs, union
from voxome.tools.common.flatness import flat_areas
from voxome.tools.common.statistics import HISTOGRAM, statistics
from voxome.tools.em.associate import CONTACTS, FACES, OBJECTS, associate
from voxome.tools.em.densities import densities
from voxome.tools.em.network import network

BLOCK = (64, 128, 128)
"""Shape of a block: the network needs half a gigabyte for it."""
MARGIN_NM = 400.0
"""Distance from the box up to which the voxels of its synapses are searched."""

_EXTENT = {"id": "uint64", **dict.fromkeys(("z0", "y0", "x0", "z1", "y1", "x1"), "int64")}
_LOWEST = dict.fromkeys(("z0", "y0", "x0"), "min") | dict.fromkeys(("z1", "y1", "x1"), "max")

ReadLabels = Callable[[Box], NDArray[np.uint64]]


@dataclass(frozen=True)
class SynapseRows:
    """What the blocks say of all synapses, folded.

    Attributes
    ----------
    objects : Rows
        As `voxome.tools.em.associate` returns them, with the extent of each synapse: ``z0, y0, x0`` the first and
        ``z1, y1, x1`` the last voxel.
    contacts, faces : Rows
        As `voxome.tools.em.associate` returns them; no rows without labels.
    """

    objects: Rows
    contacts: Rows
    faces: Rows


@dataclass
class Detector:
    """The detector of an image.

    Attributes
    ----------
    image : VolumeSource
        EM image along z, y, x.
    membranes : VolumeSource or None
        Membrane map; None for that of the network.
    labels : function or None
        Returns the segments of a box, uint64, 0 where there are none; None to find synapses without partners.
    box : Box
        Where synapses are searched.
    folder : path
        For temporary arrays.
    model : str
        Network.
    threshold : int
        Minimum score of the voxels of a synapse.
    block : (z, y, x)
        Shape of a block, without effect on the result.
    notify : callable
        Called with the number of blocks done and that of all.
    """

    image: VolumeSource
    membranes: VolumeSource | None
    labels: ReadLabels | None
    box: Box
    folder: Path
    model: str
    threshold: int
    block: tuple[int, int, int]
    notify: Callable[[int, int], None]
    _done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        spec = self.image.spec
        self.frame = Frame(spec.domain, spec.domain, spec.voxel_size_nm, spec.offset_nm)
        margin = tuple(math.ceil(MARGIN_NM / size) for size in self.frame.scale_nm)
        self.searched = self.box.grow(margin) & spec.domain
        self._total = len(self._grid(self.searched)) * 3

    def run(self) -> SynapseRows:
        """Return the rows of all synapses in the box and its margin."""
        histogram = self._histogram()
        membranes = self.membranes or self._predict(histogram)
        score, components = self._score(histogram, membranes)
        return self._measure(score, components, self._joined(components))

    def _histogram(self) -> TableFile:
        """Return the grey values of a sample of the whole image, without padding and blank sections."""
        parts = [statistics(_textured(block)) for block in sample_blocks(self.image)]
        rows = combine(concatenate(parts, HISTOGRAM.columns), ["value"])
        if not len(rows["value"]):
            raise InvalidInput("the image is constant, or nearly so, everywhere; expected an electron micrograph")
        path = self.folder / "histogram.parquet"
        write_table(str(path), rows, HISTOGRAM.columns)
        return TableFile(path)

    def _predict(self, histogram: TableFile) -> VolumeSource:
        """Return the membranes that the network predicts, wherever `_score` reads them."""
        low, high = self._halo(densities, synapse_threshold=self.threshold)
        around = self.searched.grow(low, high) & self.frame.domain
        target = self._create("membranes", "uint8", around)
        self._total += len(self._grid(around))
        for where in self._blocks(around, self._halo(network, model=self.model)):
            raw = self.image.read(where.read)
            target.write(where.write, network(raw, histogram, model=self.model, block=where)["membranes"])
        return target

    def _score(self, histogram: TableFile, membranes: VolumeSource) -> tuple[VolumeSource, VolumeSource]:
        """Return the score, and the components of each block."""
        score = self._create("score", "uint8", self.searched)
        components = self._create("components", "uint64", self.searched)
        parameters = {"synapse_threshold": self.threshold}
        around = Extended(membranes, self.frame.domain)
        for where in self._blocks(self.searched, self._halo(densities, **parameters)):
            maps = self.image.read(where.read), around.read(where.read)
            found = densities(*maps, histogram, block=where, **parameters)
            score.write(where.write, found["score"])
            components.write(where.write, found["components"])
        return score, components

    def _joined(self, components: VolumeSource) -> Rows:
        """Return the object of each component that touches one of another block."""
        pairs = []
        for where in self._blocks(self.searched, ((0, 0, 0), (1, 1, 1))):
            pairs.append(touching_pairs(components.read(where.read & self.searched)))
        return union(concatenate(pairs))

    def _measure(self, score: VolumeSource, components: VolumeSource, joined: Rows) -> SynapseRows:
        """Return objects, contacts and faces."""
        objects, contacts, faces, extents = [], [], [], []
        scores, parts = Extended(score, self.frame.domain), Extended(components, self.frame.domain)
        for where in self._blocks(self.searched, self._halo(associate)):
            synapses = _relabel(parts.read(where.read), joined)
            if not synapses.any():
                continue
            labels = np.zeros_like(synapses) if self.labels is None else self.labels(where.read)
            found = associate(synapses, labels, scores.read(where.read), block=where)
            objects.append(found["objects"])
            contacts.append(found["contacts"])
            faces.append(found["faces"])
            extents.append(_extents(synapses[where.write.within(where.read)], where.write))
        folded = combine(concatenate(objects, OBJECTS.columns), ["id"], {"peak": "max"})
        extent = combine(concatenate(extents, _EXTENT), ["id"], _LOWEST)
        return SynapseRows(
            folded | {name: extent[name] for name in _LOWEST},
            combine(concatenate(contacts, CONTACTS.columns), ["synapse_id", "neuron_id"]),
            combine(concatenate(faces, FACES.columns), ["synapse_id", "a", "b"]),
        )

    def _halo(self, tool: Tool, **parameters: Any) -> Halo:
        return tool.spec.compute_halo(parameters, self.frame.scale_nm)

    def _grid(self, box: Box, halo: Halo = ((0, 0, 0), (0, 0, 0))) -> BlockGrid:
        return BlockGrid(self.frame.domain, self.block, box, halo, anchor=box.start)

    def _blocks(self, box: Box, halo: Halo) -> Iterator[BlockContext]:
        for one in self._grid(box, halo):
            yield BlockContext(one.write, one.read, self.frame)
            self._done += 1
            self.notify(self._done, self._total)

    def _create(self, name: str, dtype: str, box: Box) -> VolumeSource:
        spec = VolumeSpec(box, np.dtype(dtype), axes=("z", "y", "x"), kind="image")
        return create_source(f"zarr://{self.folder / name}.zarr", spec)


def _textured(block: NDArray[Any]) -> NDArray[Any]:
    values: NDArray[Any] = block[~flat_areas(block)]
    return values


def _relabel(components: NDArray[np.uint64], joined: Mapping[str, NDArray[Any]]) -> NDArray[np.uint64]:
    """Return components under the ids of their objects."""
    if not len(joined["id"]):
        return components
    at = np.minimum(np.searchsorted(joined["id"], components), len(joined["id"]) - 1)
    found: NDArray[np.uint64] = np.where(joined["id"][at] == components, joined["root"][at], components)
    return found


def _extents(synapses: NDArray[np.uint64], box: Box) -> Rows:
    """Return the first and the last voxel of the part of each synapse in a block."""
    points = np.nonzero(synapses)
    rows: Rows = {"id": synapses[points]}
    rows |= {f"{axis}0": index + start for axis, index, start in zip("zyx", points, box.start, strict=True)}
    rows |= {f"{axis}1": rows[f"{axis}0"] for axis in "zyx"}
    return combine(rows, ["id"], _LOWEST)
