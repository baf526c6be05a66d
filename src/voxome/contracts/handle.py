"""What travels between steps: where a result is, never the result itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box

HandleType = Literal["volume", "table", "regions", "file"]
STORE = "{store}"
"""Stands for the run's store in URIs of a plan, so that a run folder can be moved."""


@dataclass(frozen=True)
class Handle:
    """Where a volume, table or file is, and which step made it.

    Attributes
    ----------
    type : {"volume", "table", "regions", "file"}
        What is there.
    uri : str
        A URI for volumes, a path for the others; may start with ``{store}``.
    key : str
        The key of the step that made it, or the version of an input.
    box : str, optional
        The part of it that the run is asked for.
    voxel_size_nm : (z, y, x), optional
        In place of what the store says.
    domain, offset_nm : optional
        Of the volume that a table tells of: all its voxels, and the position of the centre of voxel index 0.
    """

    type: HandleType
    uri: str
    key: str = ""
    box: str | None = None
    voxel_size_nm: tuple[float, float, float] | None = None
    domain: str | None = None
    offset_nm: tuple[float, float, float] | None = None

    def within(self, store: str) -> Handle:
        """The handle with ``{store}`` replaced."""
        return replace(self, uri=self.uri.replace(STORE, store))

    @property
    def asked(self) -> Box | None:
        """`box`, read."""
        return None if self.box is None else Box.parse(self.box)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, marked as ours."""
        return {"voxome": "handle", **{k: v for k, v in asdict(self).items() if v not in (None, "")}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Handle:
        """From what `to_json` gave."""
        fields = {k: v for k, v in data.items() if k != "voxome"}
        for name in ("voxel_size_nm", "offset_nm"):
            if name in fields:
                fields[name] = tuple(fields[name])
        try:
            return cls(**fields)
        except TypeError as error:
            raise InvalidInput(f"this is no handle that voxome wrote: {error}") from error

    @classmethod
    def from_text(cls, text: str, *, type: HandleType = "volume") -> Handle:
        """From what a person or a CWL runner gives: a handle file, a path or a URI.

        Raises
        ------
        NotFound
            If a handle file is named that is not there.
        """
        if text.endswith(".handle.json"):
            try:
                return cls.from_json(json.loads(Path(text).read_text(encoding="utf-8")))
            except FileNotFoundError as error:
                raise NotFound(f"there is no handle file {text}") from error
            except json.JSONDecodeError as error:
                raise InvalidInput(f"{text} is no handle that voxome wrote: {error}") from error
        return cls(type, text)
