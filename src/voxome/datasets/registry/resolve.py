"""``dataset:NAME``: what it stands for."""

from __future__ import annotations

from voxome.datasets.registry.files import in_cache
from voxome.datasets.registry.read import entry
from voxome.errors import UnsupportedFormat


def resolve(name: str) -> str:
    """The URI of the public volume `name`; its file is fetched first if it is one whose hash is known.

    Raises
    ------
    UnknownName
        If the registry has no such volume.
    UnsupportedFormat
        If it has no address that can be opened.
    NotFound, CorruptData, StoreError
        If its file is not in the cache, and cannot be fetched.

    Examples
    --------
    >>> resolve("witvliet2020/Dataset_2/em")
    'bossdb://witvliet2020/Dataset_2/em'
    """
    one = entry(name)
    if one.uri is None:
        raise UnsupportedFormat(f"dataset:{name} is only to be had by hand: see {one.page}; then open what you have")
    return one.uri if one.file is None else one.uri.format(file=in_cache(one.file))
