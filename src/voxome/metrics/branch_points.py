"""Scores of branch points, where vessels meet: those that can be seen in a volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.metrics.detection import DetectionScore, match_points

MEETING = 3
"""Branches that meet, at least, at a branch point."""


@dataclass(frozen=True, slots=True)
class BranchPointScore(DetectionScore):
    """Precision, recall and F1 of branch points, in [0, 1], the counts behind them, and true ones that do not count."""

    ignored_truths: int = 0


def visible_branch_points(nodes: Rows, branches: Rows) -> NDArray[np.bool_]:
    """Return the nodes at which at least three branches meet that differ from each other.

    A branch that ends, as at a face of the volume, before it is as long as the radius of the widest vessel at the
    branch point is inside of that vessel: nothing of it can be seen.

    Parameters
    ----------
    nodes : Rows
        ``id`` and ``degree``, each id once.
    branches : Rows
        ``source`` and ``target``, ids of nodes, ``length_nm`` and ``radius_nm``.

    Returns
    -------
    (nodes,) bool

    Raises
    ------
    InvalidInput
        If a branch leads to a node that is not in `nodes`.
    """
    order = np.argsort(nodes["id"], kind="stable")
    ids = nodes["id"][order]
    ends = np.stack([branches["source"], branches["target"]])
    at = np.minimum(np.searchsorted(ids, ends), max(len(ids) - 1, 0))
    if ends.size and (not len(ids) or (ids[at] != ends).any()):
        raise InvalidInput(
            "the branches of vessels lead to nodes that are not in the table of nodes; give both of one run"
        )
    node = order[at] if len(ids) else at
    widest = np.zeros(len(ids))
    for side in node:
        np.maximum.at(widest, side, branches["radius_nm"])
    count = np.zeros(len(ids), np.int64)
    for here, there in (node, node[::-1]):
        hidden = (nodes["degree"][there] == 1) & (branches["length_nm"] < widest[here])
        np.add.at(count, here, ~hidden)
    return count >= MEETING


def score_branch_points(
    truth_nm: NDArray[Any], visible: NDArray[np.bool_], result_nm: NDArray[Any], tolerance_nm: float
) -> BranchPointScore:
    """Score branch points; true ones that are not visible do not count, nor do the detected ones that match them.

    Parameters
    ----------
    truth_nm : (n, 3) float
        Positions z, y, x in nm.
    visible : (n,) bool
        True branch points that count; the others are matched with what these leave.
    result_nm : (m, 3) float
        Positions of the detected ones.
    tolerance_nm : float
        Maximum distance of a pair, inclusive.
    """
    matched, taken = match_points(truth_nm[visible], result_nm, tolerance_nm)
    free = np.setdiff1d(np.arange(len(result_nm)), taken)
    ignored, _ = match_points(truth_nm[~visible], result_nm[free], tolerance_nm)
    score = BranchPointScore.of_counts(len(matched), len(result_nm) - len(ignored), int(visible.sum()))
    return replace(score, ignored_truths=int((~visible).sum()))
