"""Properties of segments, as Neuroglancer lists, sorts and filters them: one JSON file, of numbers of at most 32 bits.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/segment_properties.md
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.new_shapes import MOST_LISTED, PROPERTIES, PROPERTIES_TYPE, link_folder
from voxome.remotes.precomputed.provenance import add_provenance, read_provenance
from voxome.storage.find import storage_path
from voxome.storage.json_store import Json, read_json
from voxome.storage.path import StoragePath
from voxome.storage.probe import require_write_access

_log = logging.getLogger(__name__)


def write_segment_properties(
    uri: Uri,
    ids: NDArray[np.uint64],
    columns: Mapping[str, NDArray[Any]],
    provenance: Provenance | None = None,
    *,
    link: bool = True,
) -> tuple[str, ...]:
    """Write numbers of segments into a folder, and name it in the segmentation above, if there is one.

    Parameters
    ----------
    uri : Uri
        Of the folder; properties that are there already are replaced.
    ids : (n,) array of uint64
        Ids of the segments, written as decimal texts.
    columns : mapping of str to array
        Their numbers. Whole numbers are written as such if 32 bits suffice; all others are rounded to floats of 32
        bits. A column that has numbers which these cannot express (NaN, infinity, beyond 3.4e38) is left out, and named
        in a warning.
    provenance : Provenance, optional
        What made them.
    link : bool
        Whether to name the folder in the segmentation.

    Returns
    -------
    tuple of str
        Names of the columns that were left out.

    Raises
    ------
    InvalidInput
        If there are more segments than a viewer can list.
    AlreadyExists, ReadOnly
        See `properties_folder`.
    """
    folder = properties_folder(uri)
    if len(ids) > MOST_LISTED:
        raise InvalidInput(f"{uri}: there are {len(ids):,} segments; expected at most {MOST_LISTED:,} in one JSON file")
    properties, omitted = [], []
    for name, values in columns.items():
        one = _property(name, values)
        properties += [] if one is None else [one]
        omitted += [name] if one is None else []
    if omitted:
        _log.warning("%s: %s cannot be written, as some segments have no finite value", uri, ", ".join(omitted))
    content = {"@type": PROPERTIES_TYPE, "inline": {"ids": [str(id) for id in ids.tolist()], "properties": properties}}
    (folder / INFO).write_bytes(json.dumps(content, allow_nan=False, separators=(",", ":")).encode())
    if provenance is not None and provenance not in read_provenance(folder):
        add_provenance(folder, provenance)
    if link and folder.parent is not None:
        link_folder(folder.parent, PROPERTIES, folder.name, listed=False)
    return tuple(omitted)


def stored_properties(uri: Uri) -> tuple[tuple[str, ...], tuple[Provenance, ...]]:
    """Return the names of the properties in a folder, and what made them, oldest first."""
    folder = storage_path(uri)
    listed = (read_json(folder, INFO) or {}).get("inline", {}).get("properties", ())
    return tuple(str(one.get("id")) for one in listed), read_provenance(folder)


def properties_folder(uri: Uri) -> StoragePath:
    """Return the folder of a URI, in which properties may be written.

    Raises
    ------
    AlreadyExists
        If the folder has something else.
    ReadOnly
        If nothing can be written there.
    """
    folder = storage_path(uri, writing=True)
    found = read_json(folder, INFO)
    if found is None:
        folder.must_be_free(str(uri))
    elif found.get("@type") != PROPERTIES_TYPE:
        raise AlreadyExists(f"{uri} contains something else; give a folder that is empty or has segment properties")
    require_write_access(folder / INFO, str(uri))
    return folder


def _property(name: str, values: NDArray[Any]) -> Json | None:
    """Return a property; None if numbers of 32 bits cannot express it."""
    dtype = _dtype(values)
    with np.errstate(over="ignore"):
        numbers = values.astype(dtype)
    if dtype == "float32" and not np.isfinite(numbers).all():
        return None
    listed = numbers.tolist() if dtype != "float32" else [float(str(number)) for number in numbers]
    return {"id": name, "type": "number", "data_type": dtype, "values": listed}


def _dtype(values: NDArray[Any]) -> str:
    if values.dtype.kind in "iu":
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        for dtype in ("uint32", "int32"):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return dtype
    return "float32"
