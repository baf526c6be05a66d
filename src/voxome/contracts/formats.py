"""Versions of voxome's formats; data of another version are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxome.errors import UnsupportedFormat

PRIVATE = ".voxome"
"""Subfolder, of a run folder or a store, for everything that is not a result."""
_FIELD, _VERSION = "voxome", "format_version"


@dataclass(frozen=True)
class Format:
    """A versioned format.

    Attributes
    ----------
    name : str
        Name of the data in messages, as in "run record".
    version : int
        The version that is written, and the only one that is read.
    remedy : str
        Advice for data of another version.
    """

    name: str
    version: int
    remedy: str

    def stamp(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return JSON values with the name and version of the format first."""
        return {_FIELD: self.name, _VERSION: self.version, **data}

    def content(self, data: Mapping[str, Any], where: object) -> dict[str, Any]:
        """Return what was stamped, if it has this format and version.

        Parameters
        ----------
        data : mapping of str to JSON values
            What was read.
        where : object
            The file, for the message.

        Raises
        ------
        UnsupportedFormat
            If they have another format or version, or none.
        """
        name = data.get(_FIELD)
        if name not in (None, self.name):
            raise UnsupportedFormat(f"{where} is a voxome {name}; expected a {self.name}")
        self.check_version(data.get(_VERSION), where)
        return {key: value for key, value in data.items() if key not in (_FIELD, _VERSION)}

    def check_version(self, version: object, where: object) -> None:
        """Check a version that was read, or None.

        Raises
        ------
        UnsupportedFormat
            If it is another one.
        """
        if version != self.version:
            found = "without a version, of an early voxome" if version is None else f"of version {version}"
            raise UnsupportedFormat(
                f"{where} is a {self.name} {found}; this voxome reads version {self.version}. {self.remedy}"
            )


_RERUN = "Use the voxome that wrote it, or remove the run folder and rerun."
HANDLE = Format("handle", 1, "Rerun the step that wrote it.")
STEP = Format("step", 2, "Use the same voxome for the run and its workers, or remove the run folder and rerun.")
PLAN = Format("plan", 1, _RERUN)
RUN = Format("run record", 1, _RERUN)
LEDGER = Format("ledger", 1, "Use the voxome that wrote it, or remove its folder and rerun.")
TRANSFER = Format("transfer state", 1, "Use the voxome that wrote it, or remove its folder and copy again.")
CATALOGUE = Format("relay catalogue", 3, "Use the voxome that wrote it, or start with a new catalogue.")
REGIONS = Format("table of regions", 1, "Use the voxome that wrote it, or compute it again.")
TABLE = Format("table", 1, "Use the voxome that wrote it, or compute it again.")
FILE = Format("file record", 1, "Use the voxome that wrote it, or compute the file again.")
PROVENANCE = Format("provenance", 1, "Use the voxome that wrote it.")
GROUPS = Format("table of groups", 1, "Use the voxome that wrote it, or compute it again.")
IMAGE_LOCK = Format("image lock", 1, "Use the voxome that wrote it, or build the images again.")
BLOCK_ARRAYS = Format("index of arrays of blocks", 1, "Use the voxome that wrote it, or compute them again.")
CWL_SCHEMA = Format("schema of CWL", 1, "Remove it; it is made again.")
RESULT_CACHE = Format("cache of results", 1, "Use the voxome that wrote it, or another folder.")
PROOFREADING = Format("proofreading store", 1, "Use the voxome that wrote it; export the segmentation for this one.")
PIXELS = Format("pixel classifier", 1, "Use the voxome that wrote it, or train it again.")
