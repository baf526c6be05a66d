"""Keys of objects as paths below the folder of their store."""

from __future__ import annotations

from voxome.errors import InvalidInput

OWN = ".voxome-relay"
"""Folder for the uploads, locks and properties of a store, which are no objects."""
LOCK_SUFFIX = ".__lock"
"""End of the names of tensorstore's temporary files, which lie beside chunks."""

_MOST_BYTES, _MOST_PART_BYTES = 1024, 240


class KeyTooLong(InvalidInput):
    """A key, or a part of it, is longer than files can be called."""


def parts_of(key: str) -> tuple[str, ...]:
    """Return the names of the folders and of the file of a key.

    Raises
    ------
    InvalidInput
        If no file of the store can have this key: it has empty or relative parts, or one that is the store's own.
    KeyTooLong
        If it is too long.

    Examples
    --------
    >>> parts_of("a.zarr/c/0/1")
    ('a.zarr', 'c', '0', '1')
    """
    parts = tuple(key.split("/"))
    for part in parts:
        if part in ("", ".", ".."):
            raise InvalidInput(
                f"the key {key!r} has an empty or relative part; a store keeps objects as files in folders"
            )
        if part == OWN or part.endswith(LOCK_SUFFIX) or "\0" in part or "\\" in part:
            raise InvalidInput(f"no object can be called {part!r}; choose another key")
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError as error:
        raise InvalidInput("the key is not valid UTF-8") from error
    if sum(lengths) + len(parts) - 1 > _MOST_BYTES or max(lengths) > _MOST_PART_BYTES:
        raise KeyTooLong(f"a key has at most {_MOST_BYTES} bytes, and each of its parts {_MOST_PART_BYTES}")
    return parts
