"""Names of sources, of their versions, and of variants of virtual layers."""

from __future__ import annotations

import re

from voxome.errors import InvalidInput
from voxome.relay.virtual.variants import SEPARATOR

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_VERSION = re.compile(r"([^@]+)@([A-Za-z0-9.]+)")


def is_source_name(name: str) -> bool:
    """Return whether a name has parts of letters, digits, ``_``, ``-`` and ``.``, separated by ``/``."""
    return _NAME.fullmatch(name) is not None


def check_source_name(name: str) -> None:
    """Check the name under which a source or store is added.

    Raises
    ------
    InvalidInput
        If it is invalid.
    """
    if not is_source_name(name):
        raise InvalidInput(f"invalid source name {name!r}: use letters, digits, _, - and ., separated by /")


def split_version(name: str) -> tuple[str, str | None]:
    """Return the name of a source, and its version if it is ``NAME@VERSION``.

    Examples
    --------
    >>> split_version("lab/seg@12")
    ('lab/seg', '12')
    """
    match = _VERSION.fullmatch(name)
    return (name, None) if match is None else (match[1], match[2])


def split_variant(name: str) -> tuple[str, str | None]:
    """Return the name of a virtual layer, and its parameters if it is ``NAME;PARAMETER=VALUE``.

    Examples
    --------
    >>> split_variant("lab/smooth;sigma=2")
    ('lab/smooth', 'sigma=2')
    """
    base, separator, changes = name.partition(SEPARATOR)
    return base, changes if separator else None


def base_name(name: str) -> str:
    """Return the name of a source without version and parameters.

    Examples
    --------
    >>> base_name("lab/smooth;sigma=2")
    'lab/smooth'
    """
    return split_version(split_variant(name)[0])[0]


def key_in(store: str, name: str) -> str | None:
    """Return what is below a store in a name ``STORE/KEY``; None if it is not in this store.

    Examples
    --------
    >>> key_in("scratch", "scratch/a/b.zarr")
    'a/b.zarr'
    """
    return name[len(store) + 1 :] if name.startswith(f"{store}/") else None
