"""Detection of the synapses of a box by the tools of the EM pipeline, block by block.

The maps between the passes (membranes, score, components) are arrays in a temporary folder, so memory holds one block
and a few numbers for every synapse. Nothing depends on the blocks, nor on the box: grey values are those of the whole
image, ids are voxels of its domain, and a margin around the box is searched too, so that synapses at its border are
seen whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
from voxome.resources.create import create_source
from voxome.resources.extended import Extended
from voxome.resources.rows import combine, concatenate
from voxome.resources.sample import sample_blocks
from voxome.resources.table import TableFile, write_table
from voxome.services.synapse_pieces import PIECE_NM, Pieces, cut, owners_of, with_several
from voxome.services.synapse_rows import Measures, Objects, SynapseRows
from voxome.tools.common.components import local_components, touching_pairs, union
from voxome.tools.common.flatness import flat_areas
from voxome.tools.common.statistics import HISTOGRAM, statistics
from voxome.tools.em.associate import associate
from voxome.tools.em.densities import densities
from voxome.tools.em.network import network

BLOCK = (64, 128, 128)
"""Shape of a block: the network needs half a gigabyte for it."""
MARGIN_NM = 400.0
"""Distance from the box up to which the voxels of its synapses are searched."""


ReadLabels = Callable[[Box], NDArray[np.uint64]]


@dataclass
class Detector:
    """The detector of an image.

    An object is a connected set of voxels whose score reaches `threshold`; its cores are those whose score reaches
    `peak`.

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
    peak : int
        Minimum peak score of a synapse.
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
    peak: int
    block: tuple[int, int, int]
    notify: Callable[[int, int], None]
    _done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        spec = self.image.spec
        self.frame = Frame(spec.domain, spec.domain, spec.voxel_size_nm, spec.offset_nm)
        margin = tuple(math.ceil(MARGIN_NM / size) for size in self.frame.scale_nm)
        self.searched = self.box.grow(margin) & spec.domain
        self._total = len(self._grid(self.searched)) * 6

    def run(self) -> tuple[SynapseRows, Pieces]:
        """Return the rows of all synapses in the box and its margin, and of the pieces of those with several peaks."""
        histogram = self._histogram()
        membranes = self.membranes or self._predict(histogram)
        score, components = self._score(histogram, membranes)
        objects = Objects(components, self._joined(components))
        cores = self._cores(score)
        return self._measure(Extended(score, self.frame.domain), objects, Objects(cores, self._joined(cores)))

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

    def _cores(self, score: VolumeSource) -> VolumeSource:
        """Return the components, in each block, of the voxels whose score is that of a peak."""
        cores = self._create("cores", "uint64", self.searched)
        for where in self._blocks(self.searched):
            dark = score.read(where.write) >= max(self.peak, self.threshold)
            cores.write(where.write, local_components(dark, where.write, self.frame.domain))
        return cores

    def _joined(self, components: VolumeSource) -> Rows:
        """Return the object of each component that touches one of another block."""
        pairs = [
            touching_pairs(components.read(where.read & self.searched))
            for where in self._blocks(self.searched, ((0, 0, 0), (1, 1, 1)))
        ]
        return union(concatenate(pairs))

    def _measure(self, score: VolumeSource, objects: Objects, cores: Objects) -> tuple[SynapseRows, Pieces]:
        """Return the rows of all objects, and of the pieces around the cores of those that have several."""
        owners = self._owners(objects, cores)
        reach = tuple(math.ceil(PIECE_NM / size) for size in self.frame.scale_nm)
        whole, parts = Measures(), Measures()
        for where in self._blocks(self.searched, self._halo(associate)):
            synapses = objects.read(where.read)
            if not synapses.any():
                continue
            labels = np.zeros_like(synapses) if self.labels is None else self.labels(where.read)
            scores = score.read(where.read)
            whole.add(synapses, labels, scores, where)
            if self.labels is not None and np.isin(synapses, owners["object"]).any():
                around = where.read.grow(reach) & self.frame.domain
                split = cut(objects.read(around), cores.read(around), owners, self.frame.scale_nm)
                parts.add(split[where.read.within(around)], labels, scores, where)
        return whole.fold(), Pieces(parts.fold(), owners)

    def _owners(self, objects: Objects, cores: Objects) -> Rows:
        """Return the object of each core, of objects that have several."""
        found = [owners_of(objects.read(where.write), cores.read(where.write)) for where in self._blocks(self.searched)]
        return with_several(concatenate(found))

    def _halo(self, tool: Tool, **parameters: Any) -> Halo:
        return tool.spec.compute_halo(parameters, self.frame.scale_nm)

    def _grid(self, box: Box, halo: Halo = ((0, 0, 0), (0, 0, 0))) -> BlockGrid:
        return BlockGrid(self.frame.domain, self.block, box, halo, anchor=box.start)

    def _blocks(self, box: Box, halo: Halo = ((0, 0, 0), (0, 0, 0))) -> Iterator[BlockContext]:
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
