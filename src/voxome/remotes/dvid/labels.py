"""Labelmap instances: bodies and the supervoxels that they consist of."""

from __future__ import annotations

from voxome.remotes.dvid.edits import Edits
from voxome.remotes.dvid.history import History


class Labels(Edits, History):
    """Labels of one instance: look-ups, shapes, edits and their history.

    Points and boxes are z, y, x in voxels, labels uint64. A *body* is a set of *supervoxels*; merges and cleaves change
    the body of a supervoxel, and only splits change supervoxels.

    Examples
    --------
    >>> labels = Labels(node, "segmentation")           # doctest: +SKIP
    >>> labels.at([[60, 7, 16]])                        # doctest: +SKIP
    array([1039], dtype=uint64)
    >>> labels.merge(1004, [1115, 1010])                # doctest: +SKIP
    1000100013
    >>> labels.cleave(1004, [1115]).label               # doctest: +SKIP
    70600
    >>> labels.runs(70600).mask().shape                 # doctest: +SKIP
    (64, 90, 66)
    """
