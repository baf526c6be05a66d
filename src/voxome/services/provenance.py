"""What made a volume, meshes, skeletons or annotations."""

from __future__ import annotations

import os

from voxome.calls import explain_calls
from voxome.contracts.neuroglancer import SupportsSegmentProperties
from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Annotations, Mesh, Skeleton
from voxome.contracts.uri import Uri, location_text
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.registry import targets
from voxome.resources.columns import Table, read_table_provenance
from voxome.resources.open import Resource, locate, open
from voxome.resources.provenance import read_provenance
from voxome.resources.recognition import GROUP, find_remote
from voxome.resources.shapes import Meshes, Points, Skeletons
from voxome.resources.volume_like import VolumeLike, as_volume


@explain_calls
def provenance(resource: VolumeLike | Resource | Mesh | Skeleton | Annotations | Table) -> tuple[Provenance, ...]:
    """Return what made a volume, meshes, skeletons, annotations or a table, as their store keeps it.

    Parameters
    ----------
    resource : str, path, Volume, Meshes, Skeletons, Points, Mesh, Skeleton, Annotations, Table or array
        What was made; a path may be that of a table, ``FILE.parquet``, and a URI that of
        segment properties.

    Returns
    -------
    tuple of Provenance
        Oldest first; empty where nothing is recorded, or the format has no place for it (npy, NIfTI, KNOSSOS, single
        image files). What other programs recorded has the way ``other``, and is shown as it is.

    Raises
    ------
    InvalidInput, InvalidUri, NotFound, UnsupportedFormat, UnknownName

    Examples
    --------
    >>> import numpy as np, voxome
    >>> volume = voxome.put(np.ones((4, 5, 6), "uint8"), "memory://origin")
    >>> [one.service for one in volume.provenance()]
    ['put']
    """
    if isinstance(resource, Mesh | Skeleton | Annotations | Table):
        return () if resource.provenance is None else (resource.provenance,)
    if isinstance(resource, str | os.PathLike):
        path = location_text(resource)
        if path.partition("?")[0].endswith(".parquet") and Uri.parse(path).scheme not in targets(GROUP):
            return read_table_provenance(path) or _of_points(path)
        try:
            resource = open(resource)
        except UnsupportedFormat:
            if not (made := _of_segment_properties(locate(path))):
                raise
            return made
    source = resource.source if isinstance(resource, Meshes | Skeletons | Points) else as_volume(resource).source
    return read_provenance(source)


def _of_segment_properties(uri: Uri) -> tuple[Provenance, ...]:
    """Return what made segment properties, which are not opened; empty if there are none at a URI."""
    store = find_remote(uri.scheme)
    if not isinstance(store, SupportsSegmentProperties):
        return ()
    names, made = store.stored_segment_properties(uri)
    return made if names else ()


def _of_points(path: str) -> tuple[Provenance, ...]:
    """Return what made a table of annotations; empty if it is another table."""
    try:
        return read_provenance(open(path, expect=Points).source)
    except (UnsupportedFormat, InvalidInput):
        return ()
