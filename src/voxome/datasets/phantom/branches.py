"""How neurites join into branching neurons."""

from __future__ import annotations

import itertools

import numpy as np
from numba import njit, types
from numba.typed import Dict
from numpy.typing import NDArray

from voxome.datasets.phantom.hashing import mix, uniform
from voxome.datasets.phantom.neurites import axis_of, memory_of, place, recall, tube_key
from voxome.datasets.phantom.plan import LONGEST_BRANCH_NM, LONGEST_TRUNK_NM, LONGEST_TWIG_NM, Plan

_SPACING_NM = 500.0
"""Length of trunk or branch for one try to grow a branch or a twig."""


def parents_in(plan: Plan, low_nm: NDArray[np.float64], high_nm: NDArray[np.float64]) -> Dict:
    """The thicker neurite that each neurite near a region grows from, by their keys.

    A tube stands in material that was pushed aside from its axis, so what once lay on the axis touches it: at places
    along the axis, the neurite that was there is made a branch of the tube. A neurite that several claim goes to the
    one with the least hash. Claims reach no farther than the longest neurite, so those of a region are found from its
    surroundings.
    """
    parents = Dict.empty(types.uint64, types.uint64)
    slack = plan.greatest_warp_nm + plan.greatest_squeeze_nm + LONGEST_TWIG_NM
    families = plan.pitches.size
    for family in range(families):
        trunk = plan.lengths[family] == LONGEST_TRUNK_NM
        reach = slack + (LONGEST_BRANCH_NM if trunk else 0.0)
        corners = np.array(list(itertools.product(*zip(low_nm - reach, high_nm + reach, strict=True))))
        across = corners @ plan.frames[family].T
        _claim(plan, family, 3 if trunk else families, across.min(axis=0), across.max(axis=0), parents)
    return parents


@njit(cache=True)
def _claim(
    plan: Plan, family: int, first: int, low: NDArray[np.float64], high: NDArray[np.float64], parents: Dict
) -> None:
    memory = memory_of(plan)
    pitch = plan.pitches[family]
    e = plan.frames[family]
    for i in range(int(np.floor(low[1] / pitch)), int(np.floor(high[1] / pitch)) + 1):
        for j in range(int(np.floor(low[2] / pitch)), int(np.floor(high[2] / pitch)) + 1):
            line = tube_key(plan, family, i, j)
            v, w = axis_of(plan, family, line, i, j)
            for k in range(int(np.floor(low[0] / _SPACING_NM)), int(np.floor(high[0] / _SPACING_NM)) + 1):
                t = (k + uniform(line, 5000 + k)) * _SPACING_NM
                if recall(plan, memory, family, t, v, w) < 40.0:
                    continue
                parent = memory.tubes[family]
                z = e[0, 0] * t + e[1, 0] * v + e[2, 0] * w
                y = e[0, 1] * t + e[1, 1] * v + e[2, 1] * w
                x = e[0, 2] * t + e[1, 2] * v + e[2, 2] * w
                child, _, _, _, _, found = place(plan, memory, family + 1, z, y, x)
                if found >= first and (child not in parents or mix(parent, 9) < mix(parents[child], 9)):
                    parents[child] = parent


@njit(cache=True)
def to_roots(keys: NDArray[np.uint64], parents: Dict) -> None:
    """Replace the key of every neurite by that of the neuron it is part of, in place."""
    flat = keys.ravel()
    last, root = np.uint64(0), np.uint64(0)
    for n in range(flat.size):
        if flat[n] != last:
            last = root = flat[n]
            while root in parents:
                root = parents[root]
        flat[n] = root
