"""Whether a format can store all that a spec describes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.geometry.axes import default_axes

_NAMES = {"voxel_size_nm": "voxel size", "offset_nm": "offset", "attributes": "attributes", "axes": "axes"}
_DROPPABLE = {"voxel_size_nm": "voxel_size", "offset_nm": "offset", "attributes": "attributes"}


def require_storable(format: str, spec: VolumeSpec, *unsupported: str) -> None:
    """Raise if `spec` has a value in a field that the format cannot store, or if its domain does not start at 0.

    Parameters
    ----------
    format : str
        Name of the format, for the message.
    spec : VolumeSpec
        Spec of a new volume.
    unsupported : str
        Fields of the spec that the format cannot store.

    Raises
    ------
    UnsupportedFormat
        Naming all of them.
    """
    empty = {"offset_nm": (0.0, 0.0, 0.0), "attributes": {}, "axes": default_axes(spec.domain.ndim)}
    lost = [name for name in unsupported if getattr(spec, name) != empty.get(name)]
    problems = [f"the {_NAMES[name]} {getattr(spec, name)}" for name in lost]
    drop = [f"--drop {_DROPPABLE[name]}" for name in lost if name in _DROPPABLE]
    if any(spec.domain.start):
        problems.append(f"a domain that starts at {spec.domain.start}")
        drop.append("--drop start")
    if problems:
        advice = f"add `{' '.join(drop)}`, or write zarr" if drop else "write zarr"
        raise UnsupportedFormat(f"{format} cannot store {' or '.join(problems)}: {advice}")


@contextmanager
def metadata_of(path: Path) -> Iterator[None]:
    """Name the file whose metadata describe no volume.

    Raises
    ------
    CorruptData
        If a spec or a box is made of them that is invalid.
    """
    try:
        yield
    except InvalidInput as error:
        raise CorruptData(f"the metadata of {path} are damaged: {error}") from error


def parse_options(format: str, spec: VolumeSpec, known: Iterable[str]) -> dict[str, Any]:
    """Return the options in ``spec.encoding``.

    Raises
    ------
    InvalidInput
        If one of them is not `known`.
    """
    options, names = dict(spec.encoding or {}), sorted(known)
    if unknown := sorted(set(options) - set(names)):
        raise InvalidInput(f"{format} has no encoding option {', '.join(unknown)}; known: {', '.join(names) or 'none'}")
    return options
