"""Handles: what travels between steps, the location of data rather than the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from voxome.contracts.formats import HANDLE
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, describe_value
from voxome.geometry import Box

STORE = "{store}"
"""Placeholder for the store of a run in the URIs of a plan, so that a run folder can be moved."""


@dataclass(frozen=True)
class Handle:
    """Location of a volume, table or file, and the step that created it.

    Attributes
    ----------
    type : str
        Kind of the data: ``volume``, ``table``, ``regions``, ``file``, or what another package calls its own.
    uri : str
        URI of a volume, address of anything else; may contain ``{store}``.
    key : str
        Key of the step that created it, or version of an input.
    box : str, optional
        The part of it to process; of an output, all voxels that were computed.
    voxel_size_nm : (z, y, x), optional
        Overrides that of the store.
    domain : str, optional
        All voxels of the volume that a table describes, or of which an array has only the box.
    offset_nm : (z, y, x), optional
        Of the volume that a table describes: the position of the centre of voxel index 0.
    unpinned : bool
        Whether the data may change without another `key`, since their store does not report it.
    """

    type: str
    uri: str
    key: str = ""
    box: str | None = None
    voxel_size_nm: tuple[float, float, float] | None = None
    domain: str | None = None
    offset_nm: tuple[float, float, float] | None = None
    unpinned: bool = False

    def within(self, store: str) -> Handle:
        """Return the handle with ``{store}`` replaced by the address of a store."""
        return replace(self, uri=within(self.uri, store))

    @property
    def region(self) -> Box | None:
        """`box` as a Box."""
        return None if self.box is None else Box.parse(self.box)

    def to_json(self) -> dict[str, Any]:
        """Return the handle as JSON values, marked with their format."""
        return HANDLE.stamp({name: value for name, value in asdict(self).items() if value not in (None, "", False)})

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: object = "a handle") -> Handle:
        """Return the handle that `to_json` wrote.

        Parameters
        ----------
        data : mapping of str to JSON values
            What was read.
        where : object
            Its file, for messages.

        Raises
        ------
        UnsupportedFormat
            If it is of another version, or something else.
        InvalidInput
            If it is damaged.
        """
        fields = HANDLE.content(data, where)
        try:
            for name in ("voxel_size_nm", "offset_nm"):
                if name in fields:
                    fields[name] = _lengths(name, fields[name])
            for name in ("type", "uri", "key", "box", "domain"):
                if not isinstance(fields.get(name, ""), str):
                    raise TypeError(f"{name} is {describe_value(fields[name])}; expected text")
            return cls(**fields)
        except TypeError as error:
            raise InvalidInput(f"{where} is not a voxome handle: {error}") from error


def _lengths(name: str, value: Any) -> tuple[float, float, float]:
    if isinstance(value, list | tuple) and len(value) == 3 and all(type(one) in (int, float) for one in value):
        z, y, x = value
        return z, y, x
    raise TypeError(f"{name} is {describe_value(value)}; expected three numbers")


def within(uri: str, store: str) -> str:
    """Return `uri` with ``{store}`` replaced by the address of a store; options of both are kept.

    Examples
    --------
    >>> within("zarr://{store}/neurons.zarr?level=1", "s3://bucket/run?region=eu-west-1")
    'zarr://s3://bucket/run/neurons.zarr?region=eu-west-1&level=1'
    """
    if STORE not in uri:
        return uri
    base, own = Uri.parse(store), Uri.parse(uri)
    head = f"{base.scheme}://{base.path.rstrip('/')}" if base.scheme else base.path
    return str(Uri(own.scheme, own.path.replace(STORE, head, 1), {**base.query, **own.query}))
