"""The files of an N5 array or pyramid: those to which its attributes lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from voxome.remotes.n5.groups import ATTRIBUTES, attributes_of, find_group
from voxome.storage.path import StoragePath

_METADATA = re.escape(ATTRIBUTES)
_INDICES = rf"(unique-labels|label-to-block-mapping|fragment-segment-assignment)(/s\d+)?/({_METADATA}|\d+(/\d+)*)"
"""Files of Paintera's indices of its labels."""


def own_files(folder: StoragePath) -> str:
    """Return a regular expression for the paths of the files of a volume, relative to its folder."""
    attributes = attributes_of(folder)
    dimensions = attributes.get("dimensions")
    if isinstance(dimensions, list):
        return _METADATA + "|" + "/".join([r"\d+"] * len(dimensions))
    return "|".join(_in_pyramid(folder, paintera="painteraData" in attributes))


def _in_pyramid(folder: StoragePath, *, paintera: bool) -> Iterator[str]:
    yield _METADATA
    if paintera:
        yield _INDICES
    group = find_group(folder)
    if group is None:
        return
    for name in group.names:
        level = PurePosixPath((group.folder / name).path).relative_to(folder.path)
        for above in list(level.parents)[:-1]:
            yield f"{re.escape(str(above))}/{_METADATA}"
        yield rf"{re.escape(str(level))}/({own_files(group.folder / name)})"
