"""Neurons in any box of a phantom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.data.phantom.branches import parents_in, to_roots
from voxome.data.phantom.clean import CLEAN_HALO, clean
from voxome.data.phantom.neurites import locate_box
from voxome.data.phantom.plan import Plan, draw_plan
from voxome.data.phantom.spec import PhantomSpec
from voxome.geometry import Box


@dataclass(frozen=True)
class Tissue:
    """Neurites around a box, joined into neurons.

    Attributes
    ----------
    spec : PhantomSpec
        Phantom.
    plan : Plan
        Parameters of the tissue.
    parents : numba.typed.Dict
        Parent of each neurite near the box.
    """

    spec: PhantomSpec
    plan: Plan
    parents: Any

    @classmethod
    def around(cls, spec: PhantomSpec, box: Box) -> Tissue:
        """Return the tissue for boxes inside `box`."""
        plan = draw_plan(spec)
        grown = box.grow((CLEAN_HALO,) * 3)
        size = np.array(spec.voxel_size_nm)
        return cls(spec, plan, parents_in(plan, np.array(grown.start) * size, np.array(grown.stop) * size))

    def neurons(self, box: Box) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Return keys of neurons (z, y, x) and positions in their tubes (z, y, x, 4; see `neurites.locate_box`)."""
        grown = box.grow((CLEAN_HALO,) * 3)
        keys, tubes = self._locate(grown)
        inner = box.within(grown)
        return np.ascontiguousarray(clean(keys)[inner]), tubes[inner]

    def keys_before_cleaning(self, box: Box) -> NDArray[np.uint64]:
        """Return keys of neurons (z, y, x), including thin slivers."""
        return self._locate(box)[0]

    def key_at(self, voxel: NDArray[np.int64]) -> int:
        """Return the key of the neuron at one voxel."""
        keys, _ = self.neurons(Box.of_shape((1, 1, 1), voxel.tolist()))
        return int(keys[0, 0, 0])

    def _locate(self, box: Box) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        keys = np.empty(box.shape, np.uint64)
        tubes = np.empty((*box.shape, 4), np.float32)
        locate_box(self.plan, np.array(box.start), box.shape, np.array(self.spec.voxel_size_nm), keys, tubes)
        to_roots(keys, self.parents)
        return keys, tubes
