"""Branching of neurons: which neurites are joined."""

from __future__ import annotations

import itertools

import numpy as np
from numba import njit, types
from numba.typed import Dict
from numpy.typing import NDArray

from voxome.data.hashing import mix, uniform
from voxome.data.phantom.neurites import axis_of, locate, nearest_tube, new_cache, tube_key
from voxome.data.phantom.plan import BRANCH_LENGTH_NM, TRUNK_LENGTH_NM, TWIG_LENGTH_NM, Plan

_SPACING_NM = 500.0
"""Spacing along trunks and branches at which a branch or twig may grow."""


def parents_in(plan: Plan, low_nm: NDArray[np.float64], high_nm: NDArray[np.float64]) -> Dict:
    """Return, for each neurite near a region, the thicker neurite from which it grows, by their keys.

    A tube displaces the material around its axis, so neurites that were on the axis touch it; at some positions along
    the axis, such a neurite becomes a branch of the tube. If several tubes claim a neurite, that with the smallest hash
    wins. Claims reach no farther than the length of a neurite, so those of a region follow from its surroundings.
    """
    parents = Dict.empty(types.uint64, types.uint64)
    slack = plan.max_warp_nm + plan.max_squeeze_nm + TWIG_LENGTH_NM
    families = plan.pitches.size
    for family in range(families):
        trunk = plan.lengths[family] == TRUNK_LENGTH_NM
        reach = slack + (BRANCH_LENGTH_NM if trunk else 0.0)
        corners = np.array(list(itertools.product(*zip(low_nm - reach, high_nm + reach, strict=True))))
        across = corners @ plan.frames[family].T
        _claim(plan, family, 3 if trunk else families, across.min(axis=0), across.max(axis=0), parents)
    return parents


@njit(cache=True)
def _claim(
    plan: Plan, family: int, first: int, low: NDArray[np.float64], high: NDArray[np.float64], parents: Dict
) -> None:
    cache = new_cache(plan)
    pitch = plan.pitches[family]
    e = plan.frames[family]
    for i in range(int(np.floor(low[1] / pitch)), int(np.floor(high[1] / pitch)) + 1):
        for j in range(int(np.floor(low[2] / pitch)), int(np.floor(high[2] / pitch)) + 1):
            line = tube_key(plan, family, i, j)
            v, w = axis_of(plan, family, line, i, j)
            for k in range(int(np.floor(low[0] / _SPACING_NM)), int(np.floor(high[0] / _SPACING_NM)) + 1):
                t = (k + uniform(line, 5000 + k)) * _SPACING_NM
                if nearest_tube(plan, cache, family, t, v, w) < 40.0:
                    continue
                parent = cache.tubes[family]
                z = e[0, 0] * t + e[1, 0] * v + e[2, 0] * w
                y = e[0, 1] * t + e[1, 1] * v + e[2, 1] * w
                x = e[0, 2] * t + e[1, 2] * v + e[2, 2] * w
                child, _, _, _, _, family_of_child = locate(plan, cache, family + 1, z, y, x)
                if family_of_child >= first and (child not in parents or mix(parent, 9) < mix(parents[child], 9)):
                    parents[child] = parent


@njit(cache=True)
def to_roots(keys: NDArray[np.uint64], parents: Dict) -> None:
    """Replace, in place, the key of every neurite by that of its neuron."""
    flat = keys.ravel()
    last, root = np.uint64(0), np.uint64(0)
    for n in range(flat.size):
        if flat[n] != last:
            last = root = flat[n]
            while root in parents:
                root = parents[root]
        flat[n] = root
