"""Neurons of any box of a phantom, each box alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.datasets.phantom.branches import parents_in, to_roots
from voxome.datasets.phantom.clean import CLEAN_HALO, clean
from voxome.datasets.phantom.neurites import place_box
from voxome.datasets.phantom.plan import Plan, plan_of
from voxome.datasets.phantom.spec import PhantomSpec
from voxome.geometry import Box


@dataclass(frozen=True)
class Tissue:
    """The neurites around one box, joined into neurons.

    Attributes
    ----------
    spec : PhantomSpec
        The phantom.
    plan : Plan
        Its numbers.
    parents : numba.typed.Dict
        What each neurite near the box grows from.
    """

    spec: PhantomSpec
    plan: Plan
    parents: Any

    @classmethod
    def around(cls, spec: PhantomSpec, box: Box) -> Tissue:
        """The tissue from which boxes inside `box` can be made."""
        plan = plan_of(spec)
        grown = box.grow((CLEAN_HALO,) * 3)
        size = np.array(spec.voxel_size_nm)
        return cls(spec, plan, parents_in(plan, np.array(grown.start) * size, np.array(grown.stop) * size))

    def neurons(self, box: Box) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Keys of the neurons (z, y, x), and places in their tubes (z, y, x, 4: see `neurites.place_box`)."""
        grown = box.grow((CLEAN_HALO,) * 3)
        keys, tubes = self._place(grown)
        inner = box.within(grown)
        return np.ascontiguousarray(clean(keys)[inner]), tubes[inner]

    def keys_before_cleaning(self, box: Box) -> NDArray[np.uint64]:
        """Keys of the neurons (z, y, x) with their thinnest slivers."""
        return self._place(box)[0]

    def key_at(self, voxel: NDArray[np.int64]) -> int:
        """The neuron at one voxel."""
        keys, _ = self.neurons(Box.of_shape((1, 1, 1), voxel.tolist()))
        return int(keys[0, 0, 0])

    def _place(self, box: Box) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        keys = np.empty(box.shape, np.uint64)
        tubes = np.empty((*box.shape, 4), np.float32)
        place_box(self.plan, np.array(box.start), box.shape, np.array(self.spec.voxel_size_nm), keys, tubes)
        to_roots(keys, self.parents)
        return keys, tubes
