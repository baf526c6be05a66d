"""One write in the journal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voxome.contracts.spec import VolumeSpec
from voxome.geometry import Box


@dataclass(frozen=True)
class WriteEntry:
    """A write that its store may not have yet.

    Attributes
    ----------
    number : int
        Place in the order of all writes.
    source : str
        Identity of the source, whatever its name.
    name : str
        Name of the source by which it was written.
    level : int
        Level that is written.
    box : Box
        Voxels, in the coordinates of the level.
    layout : str
        Layout of the level when it was written.
    dtype : str
        Data type of the voxels, with its byte order.
    masked : bool
        Whether only some voxels of the box are written.
    nbytes : int
        Bytes of the voxels and, if there is one, of the mask.
    checksum : int
        CRC-32 of these bytes.
    created : float
        Time of the write, in s since 1970.
    hops : tuple of str
        Relays through which the write has come.
    """

    number: int
    source: str
    name: str
    level: int
    box: Box
    layout: str
    dtype: str
    masked: bool
    nbytes: int
    checksum: int
    created: float
    hops: tuple[str, ...]

    def to_json(self) -> str:
        """Return all fields as JSON."""
        return json.dumps({**asdict(self), "box": [self.box.start, self.box.stop]}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> WriteEntry:
        """Return the entry that `to_json` has written.

        Raises
        ------
        ValueError, KeyError, TypeError
            If the text is something else.
        """
        fields: dict[str, Any] = json.loads(text)
        start, stop = fields["box"]
        return cls(**{**fields, "box": Box(tuple(start), tuple(stop)), "hops": tuple(fields["hops"])})

    @property
    def voxel_bytes(self) -> int:
        """Bytes of the voxels, without the mask."""
        return self.box.size * np.dtype(self.dtype).itemsize


def layout_of(spec: VolumeSpec) -> str:
    """Return what must not change between a write to a level and its replay.

    Examples
    --------
    >>> layout_of(VolumeSpec.of((4, 5, 6), "uint16"))
    '0:4,0:5,0:6 zyx uint16'
    """
    return f"{spec.domain} {''.join(spec.axes)} {spec.dtype}"
