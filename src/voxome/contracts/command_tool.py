"""A program that runs on the files of one block: what it takes, returns and is started with, in JSON values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from voxome.contracts.json_text import json_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FOLDER = "/voxome-block"
"""Folder of a block as the program sees it; a program that runs natively has another, which stands in for it."""
WORK, INPUTS, FILES, SCRATCH = f"{FOLDER}/work", f"{FOLDER}/inputs", f"{FOLDER}/files", f"{FOLDER}/tmp"
"""Its subfolders: the work folder, volume inputs and other files (both read-only), temporary files."""

FileFormat = Literal["npy", "hdf5", "tiff", "nifti", "zarr"]
TableFormat = Literal["csv", "npy"]
Unit = Literal["voxels", "nm"]
StitchRule = Literal["overlap", "touching", "none"]
Fold = Literal["sum", "min", "max"]
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class VolumeFile:
    """A file with the voxels of a block.

    Attributes
    ----------
    format : {"npy", "hdf5", "tiff", "nifti", "zarr"}
        Format of the file; ``zarr`` is a folder.
    axes : str
        Order of its axes, such as ``xyz``; ``1`` is an axis of length 1, ``c`` that of the channels.
    dtype : str, optional
        Data type in the file; None leaves that of the volume, or of labels that the program writes.
    dataset : str, optional
        Name of the dataset in an HDF5 file.
    kind : {"image", "probability", "labels"}
        Meaning of the voxels.
    """

    __pydantic_config__: ClassVar = _STRICT

    format: FileFormat
    axes: str = "zyx"
    dtype: str | None = None
    dataset: str | None = None
    kind: Literal["image", "probability", "labels"] = "image"


@dataclass(frozen=True, kw_only=True)
class Stitch:
    """How labels of different blocks become one.

    Attributes
    ----------
    rule : {"overlap", "touching", "none"}
        Labels are joined that have many voxels in common where blocks overlap, that touch at the face of a block, or
        never.
    fraction : float
        Share of the smaller label in the overlap of two blocks, of which both must have the voxels.
    """

    __pydantic_config__: ClassVar = _STRICT

    rule: StitchRule
    fraction: float = 0.5


@dataclass(frozen=True, kw_only=True)
class VolumeOutput(VolumeFile):
    """A volume that the program writes.

    Attributes
    ----------
    extent : {"read", "write"}
        Voxels that the file has: of the block with its halo, or without.
    channels : int, optional
        Length of the axis ``c``.
    stitch : Stitch, optional
        Of labels that are new in each block.
    ids : str, optional
        Input whose labels these are.
    """

    extent: Literal["read", "write"] = "read"
    channels: int | None = None
    stitch: Stitch | None = None
    ids: str | None = None


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Columns with a position in the block.

    Attributes
    ----------
    columns : (str, str, str)
        Names of the columns.
    axes : str, optional
        The axis of each, such as ``xyz``; needed unless the columns are called so.
    unit : {"voxels", "nm"}
        Unit, from the centre of the first voxel of the file.
    """

    __pydantic_config__: ClassVar = _STRICT

    columns: tuple[str, str, str]
    axes: str | None = None
    unit: Unit = "voxels"

    def column(self, axis: str) -> str:
        """Return the column of the positions along an axis."""
        return self.columns[(self.axes or "".join(self.columns)).index(axis)]


@dataclass(frozen=True, kw_only=True)
class TableOutput:
    """A table that the program writes.

    Attributes
    ----------
    format : {"csv", "npy"}
        A CSV file with a header, or an array (rows, columns).
    columns : mapping of str to str
        Names of the columns, in the order of the file if that has no names, and their dtypes.
    positions : Positions, optional
        Columns with positions, by which each row belongs to one block.
    key : tuple of str
        Columns that identify a row.
    fold : mapping of str to {"sum", "min", "max"}
        How every other column of rows of one key is combined.
    ids : mapping of str to str
        Columns of labels → input whose labels they are.
    """

    __pydantic_config__: ClassVar = _STRICT

    format: TableFormat
    columns: dict[str, str] = field(default_factory=dict)
    positions: Positions | None = None
    key: tuple[str, ...] = ()
    fold: dict[str, Fold] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HaloNm:
    """A halo (z, y, x) in nm."""

    __pydantic_config__: ClassVar = _STRICT

    nm: tuple[float, float, float]


LIMITS = ("limit_s", "memory_bytes", "cpus")
"""Fields of a `CommandLine` that decide no result."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """How the program is started for every block; paths begin with `FOLDER`.

    Attributes
    ----------
    argv : tuple of str
        Program and arguments.
    variables : mapping of str to str
        Environment.
    stdin, stdout, stderr : str, optional
        Files, the last two below the work folder; the outputs go to the log if they are not named.
    globs : mapping of str to tuple of str
        Outputs → patterns of their names below the work folder.
    texts : mapping of str to str
        Files in the work folder → their content.
    files : mapping of str to str
        Where the program sees files of the user, such as weights of a model → their addresses.
    success_codes : tuple of int
        Exit statuses of a program that has not failed.
    limit_s : float, optional
        Time limit.
    network : bool
        Whether it may use the network.
    memory_bytes : int, optional
        Memory limit.
    cpus : float, optional
        Limit of processor time, in cores.
    """

    argv: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    globs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    success_codes: tuple[int, ...] = (0,)
    limit_s: float | None = None
    network: bool = False
    memory_bytes: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, kw_only=True)
class CommandParameter:
    """A parameter of the program: its CWL type, whether it may be missing, and its description."""

    type: str | dict[str, Any]
    optional: bool = False
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class CommandDefinition:
    """A program as a tool of blocks.

    Attributes
    ----------
    name, version : str
        Name in the workflow, and the version in the hint.
    summary : str
        One line of description.
    halo : int, (z, y, x) or HaloNm
        Voxels around the write box.
    block : (z, y, x), optional
        Default write box in voxels.
    inputs : mapping of str to VolumeFile
        Volumes; the first is the frame.
    optional : tuple of str
        Inputs that may be missing.
    volumes : mapping of str to VolumeOutput
        Volumes that it writes.
    tables : mapping of str to TableOutput
        Tables that it writes.
    parameters : mapping of str to CommandParameter
        Parameters; those of the type ``File`` are addresses of files that it reads whole.
    image : str, optional
        Container image; None for a program of this machine.
    may_pull : bool
        Whether the document allows that the image is pulled from a registry.
    environment : str
        Where it runs: ``native``, or a container engine, with options.
    digest : str
        Digest of the image, or of the program.
    memory_bytes : int
        Memory that it needs besides that of the voxels.
    cpus, gpus : int
        Processor cores and graphics cards.
    line : CommandLine, optional
        How it is started; known once its parameters are.
    """

    name: str
    version: str = "1"
    summary: str = ""
    halo: int | tuple[int, int, int] | HaloNm = 0
    block: tuple[int, int, int] | None = None
    inputs: dict[str, VolumeFile]
    optional: tuple[str, ...] = ()
    volumes: dict[str, VolumeOutput] = field(default_factory=dict)
    tables: dict[str, TableOutput] = field(default_factory=dict)
    parameters: dict[str, CommandParameter] = field(default_factory=dict)
    image: str | None = None
    may_pull: bool = False
    environment: str = "native"
    digest: str = ""
    memory_bytes: int = 0
    cpus: int = 1
    gpus: int = 0
    line: CommandLine | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the definition as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CommandDefinition:
        """Return the definition that `to_json` wrote."""
        return _adapter().validate_python(data)

    @property
    def key(self) -> str:
        """Digest of all that decides the results: image or program, command line, files and hint; not its limits."""
        ignored: dict[str, Any] = {
            "summary": "",
            "block": None,
            "memory_bytes": 0,
            "cpus": 1,
            "gpus": 0,
            "may_pull": False,
        }
        ignored |= {"environment": "", "image": ""} if self.image is not None else {}
        if self.line is not None:  # a program that exceeds a limit has no result
            ignored["line"] = asdict(self.line) | dict.fromkeys(LIMITS)
        text = json_text({**self.to_json(), **ignored}, f"the tool {self.name}", sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _adapter() -> TypeAdapter[CommandDefinition]:
    from pydantic import TypeAdapter

    return TypeAdapter(CommandDefinition)
