"""The labels of a volume, and their bounding boxes: from the index of its store, or from the voxels."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsIds
from voxome.contracts.arguments import require_count, require_flags
from voxome.contracts.provenance import LOCAL, OWN
from voxome.contracts.service import Requirement
from voxome.contracts.service import service as as_service
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.resources.labels import require_ids
from voxome.resources.local_ids import find_bounding_box, find_ids
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.choice import call_service, choose

_INDEX = Requirement(SupportsIds, "this store keeps no index of its labels; BossDB and DVID do")


@as_service()
def ids(volume: VolumeLike, box: Box | str | None = None, *, service: str | None = None) -> NDArray[np.uint64]:
    """Return the labels in a box of a volume (everywhere, if None), sorted, without 0.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels of any integer type, or booleans, along any axes.
    box : Box or str, optional
        In the store's coordinates.
    service : str, optional
        ``own``: from the store's index of labels; ``local``: from the voxels, block by block; or the name of another
        package's service. If None, from the index if the store has one.

    Returns
    -------
    (n,) array of uint64

    Raises
    ------
    InvalidInput
        If this is not a label volume, or has negative labels.
    UnsupportedFormat
        If the service is ``own``, and the store has no index of labels.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> voxome.ids(np.array([[[0, 7], [7, 3]]])).tolist()
    [3, 7]
    """
    opened = as_volume(volume)
    way = choose(service, opened, "ids", _INDEX)
    if way not in (OWN, LOCAL):
        return cast("NDArray[np.uint64]", call_service(way, opened, box))
    region = opened.domain if box is None else Box.of(box, opened.domain)
    if way == OWN:
        return _INDEX.find(opened.source, opened.uri).ids(region)
    return find_ids(require_ids(opened).source, opened.uri or "the array", region)


@as_service()
def bounding_box(volume: VolumeLike, label: int, *, exact: bool = True, service: str | None = None) -> Box:
    """Return the bounding box of a label of a volume, in the store's coordinates.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels of any integer type, or booleans, along any axes.
    label : int
        The label; 0 is background, which has none.
    exact : bool
        Whether to return the smallest box; otherwise it may be larger, where the store finds that faster.
    service : str, optional
        As in `ids`. Without an index, all voxels are read, except in blocks within what is known of the box.

    Returns
    -------
    Box

    Raises
    ------
    NotFound
        If no voxel has the label.
    InvalidInput
        If this is not a label volume.
    UnsupportedFormat
        If the service is ``own``, and the store has no index of labels.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> voxome.bounding_box(np.array([[[0, 7], [7, 3]]]), 3)
    Box(start=(0, 1, 1), stop=(1, 2, 2))
    """
    opened = as_volume(volume)
    require_flags(exact=exact)
    number = require_count("label", label, 0)
    if number == 0:
        raise NotFound("0 is background, of which there is no bounding box; expected the id of an object")
    way = choose(service, opened, "bounding_box", _INDEX)
    if way not in (OWN, LOCAL):
        return cast("Box", call_service(way, opened, number, exact=None if exact else False))
    if way == OWN:
        return _INDEX.find(opened.source, opened.uri).bounding_box(number, exact=exact)
    return find_bounding_box(require_ids(opened).source, opened.uri or "the array", number)
