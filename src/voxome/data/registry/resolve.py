"""Resolution of ``dataset:NAME``."""

from __future__ import annotations

from voxome.data.registry.files import cached_path
from voxome.data.registry.read import entry
from voxome.errors import UnsupportedFormat


def resolve(name: str) -> str:
    """Return the URI of a public volume, downloading its file first if its SHA-256 is known.

    Raises
    ------
    UnknownName
        If the registry has no such volume.
    UnsupportedFormat
        If it has no URI.
    NotFound, CorruptData, StoreError
        If its file is not in the cache and cannot be downloaded.

    Examples
    --------
    >>> resolve("witvliet2020/Dataset_2/em")
    'bossdb://witvliet2020/Dataset_2/em'
    """
    dataset = entry(name)
    if dataset.uri is None:
        raise UnsupportedFormat(f"dataset:{name} must be obtained manually: see {dataset.page}, and open your copy")
    return dataset.uri if dataset.file is None else dataset.uri.format(file=cached_path(dataset.file))
