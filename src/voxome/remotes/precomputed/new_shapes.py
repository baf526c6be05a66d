"""New folders of meshes and skeletons: where they may be created, and what completes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.uri import Uri
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.provenance import FILE as PROVENANCE_FILE
from voxome.remotes.precomputed.provenance import add_provenance, read_provenance
from voxome.remotes.shape_files import names_of_others, require_new
from voxome.storage.find import storage_path
from voxome.storage.json_store import Json, read_json, to_json, update_json
from voxome.storage.path import StoragePath

IDENTITY = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
"""Transform of metadata whose positions are in nm: 3 rows of 4 numbers."""
PROPERTIES = "segment_properties"
"""Name of the subfolder with the list of ids."""
PROPERTIES_TYPE = "neuroglancer_segment_properties"
MOST_LISTED = 1_000_000
"""Ids that a viewer can be given as one JSON file, of about 20 MB."""
_NAMES = (re.escape(INFO), re.escape(PROVENANCE_FILE), r"[0-9a-f]+\.shard", r"\d{1,20}(\.index|:0|:0:0)?")
"""Names of the files of shapes of all formats, as regular expressions."""

_log = logging.getLogger(__name__)


def new_folder(uri: Uri) -> StoragePath:
    """Return the folder of a URI, in which shapes may be created.

    A folder with a record of a run belongs to that run, which has checked so.

    Raises
    ------
    AlreadyExists
        If anything else is there.
    ReadOnly
        If nothing can be written there.
    """
    folder = storage_path(uri, writing=True)
    require_new(folder, str(uri))
    return folder


def foreign_names(folder: StoragePath) -> Sequence[str]:
    """Return the names in a folder of shapes that `complete_folder` and the writers of shapes have not written."""
    return names_of_others(folder, (*_NAMES, PROPERTIES) if _lists_ids_only(folder / PROPERTIES) else _NAMES)


def _lists_ids_only(folder: StoragePath) -> bool:
    """Return whether there is only what `complete_folder` writes into the subfolder, or nothing."""
    content = read_json(folder, INFO) or _listing([])
    inline = content.get("inline")
    ids = inline.get("ids") if isinstance(inline, dict) else None
    return content == _listing(ids) and not names_of_others(folder, (re.escape(INFO),))


def _listing(ids: object) -> Json:
    return {"@type": PROPERTIES_TYPE, "inline": {"ids": ids, "properties": []}}


def complete_folder(
    folder: StoragePath, link: str, info: Mapping[str, Any], ids: NDArray[np.uint64], provenance: Provenance | None
) -> None:
    """Write what makes a folder of shapes complete; may be repeated.

    That is the list of its ids, its provenance, its metadata, and the name of the folder in the metadata of the
    segmentation above it, if there is one that names no other.

    Parameters
    ----------
    folder : StoragePath
        Folder of the shapes.
    link : {"mesh", "skeletons"}
        Key in the metadata of the segmentation.
    info : mapping
        Metadata of the folder.
    ids : (n,) array of uint64
        Ids of all shapes.
    provenance : Provenance, optional
        What made them.
    """
    listed = len(ids) <= MOST_LISTED
    if listed:
        properties = _listing([str(id) for id in ids.tolist()])
        (folder / PROPERTIES / INFO).write_bytes(to_json(properties, str(folder / PROPERTIES)))
    else:
        _log.warning("%s has %s ids, more than viewers list; %s is left out", folder, f"{len(ids):,}", PROPERTIES)
    if provenance is not None and provenance not in read_provenance(folder):
        add_provenance(folder, provenance)
    content = {**info, PROPERTIES: PROPERTIES} if listed else dict(info)
    (folder / INFO).write_bytes(to_json(content, str(folder / INFO)))
    if folder.parent is not None:
        link_folder(folder.parent, link, folder.name, listed)


def link_folder(above: StoragePath, link: str, name: str, listed: bool) -> None:
    """Name a folder of shapes in the metadata of the segmentation in the folder above, if there is one.

    Metadata that name another folder, which exists, are kept, and a warning says so; a mere list of ids gives way to
    properties.
    """
    info = read_json(above, INFO)
    if info is None or not _is_segmentation(info):
        return
    named = info.get(link)
    if named not in (None, "", name) and not _gives_way(above, link, named):
        _log.warning(
            "%s names %s as %s, and keeps it; for viewers to show %s instead, set %r to %r there",
            above / INFO,
            named,
            link,
            name,
            link,
            name,
        )
        return

    def enter(old: Json) -> Json:
        properties = {PROPERTIES: f"{name}/{PROPERTIES}"} if listed and not old.get(PROPERTIES) else {}
        return {**old, link: name, **properties}

    update_json(above, INFO, enter)


def _gives_way(above: StoragePath, link: str, named: object) -> bool:
    """Return whether there is nothing in the folder that metadata name, or ids where properties are to be named.

    A folder that is elsewhere counts as one that has something.
    """
    if not isinstance(named, str) or "://" in named or ".." in named.split("/"):
        return False
    folder = above / named.strip("/")
    return not folder.taken() or (link == PROPERTIES and _lists_ids_only(folder))


def _is_segmentation(info: Json | None) -> bool:
    return info is not None and "scales" in info and info.get("type") == "segmentation"
