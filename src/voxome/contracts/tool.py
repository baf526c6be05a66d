"""The spec of a tool, and the protocol with which the block runner calls it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from voxome.contracts.context import Context
from voxome.contracts.frame import ASSUMED_NM
from voxome.contracts.kinds import Kind, Parameters
from voxome.contracts.parameter import REQUIRED, Parameter
from voxome.contracts.ports import port_of
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, PlanError, UnknownName
from voxome.geometry.grid import Halo

Scope = Literal["block", "regions", "groups", "whole"]
Invariance = Literal["exact", "none"]
HaloLike = int | Sequence[int] | tuple[Sequence[int], Sequence[int]]
HaloOf = Callable[[Parameters, tuple[float, float, float]], HaloLike]
"""Halo from the parameters and the voxel size in nm."""
Check = Callable[[Mapping[str, VolumeSpec], Parameters], Iterable[str]]
"""Problems with the specs of the volume inputs, by name, under these parameters."""
Examine = Callable[[str, Iterable[NDArray[Any]], Parameters], Iterable[str]]
"""What is unusual about a volume input, given its name and a sample of its blocks: sentences without their subject."""
Defaults = Callable[[Mapping[str, VolumeSpec], Parameters], Parameters]
"""Values of parameters that are not set, from the specs of the volume inputs and the parameters that are, unchecked."""


@dataclass(frozen=True)
class Input:
    """An input of a tool, of any kind."""

    name: str
    kind: Kind
    required: bool


@dataclass(frozen=True)
class ToolSpec:
    """Inputs, parameters and outputs of a tool, whatever runs it.

    Attributes
    ----------
    name, version : str
        The name in the registry, and the author's version.
    scope : {"block", "regions", "groups", "whole"}
        Arrays of a block → arrays and rows; a tree of neighbouring regions → rows; tables → tables and files.
    inputs : mapping of str to Input
        Volumes and tables; the first volume is the frame.
    parameters : mapping of str to Parameter
        Settings, with their types, ranges and defaults.
    outputs : mapping of str to Kind
        Kinds of the outputs; they are stored in this order. Rows of a table may be an iterator over parts of them.
    halo : halo, or function of the parameters and the voxel size
        Voxels needed around the write box.
    grid : int
        Multiple of the index of voxels at which blocks start and end, unless the box does; for tools whose outputs are
        no volumes.
    invariance : {"exact", "none"}
        Whether the result is bitwise equal for any blocks and workers.
    check : function of the specs of the volume inputs and the parameters, optional
        Problems that make the inputs unsuitable, before any work; ``--force`` ignores them.
    examine : function of the name of a volume input, blocks of it and the parameters, optional
        What is unusual about its voxels, in a sample, before any work; it only causes warnings.
    defaults : function of the specs of the volume inputs and the parameters that are set, optional
        Values of parameters that are not set, such as a grey value that the attributes of a volume name.
    memory : function of the voxels read and the parameters, optional
        Peak memory in bytes of the process that runs one block, with what it imports; see `memory_of`.
    content : function of the parameters, optional
        Digest of the files that parameters name; part of the version.
    cpus, gpus : int
        Processor cores and graphics cards that a job needs; see `voxome.contracts.engine.Resources`.
    summary : str
        One line of description.
    """

    name: str
    version: str
    scope: Scope
    inputs: Mapping[str, Input]
    parameters: Mapping[str, Parameter]
    outputs: Mapping[str, Kind]
    halo: HaloLike | HaloOf = 0
    grid: int = 1
    invariance: Invariance = "exact"
    check: Check | None = None
    examine: Examine | None = None
    defaults: Defaults | None = None
    memory: Callable[[int, Parameters], int] | None = None
    content: Callable[[Parameters], str] | None = None
    cpus: int = 1
    gpus: int = 0
    summary: str = ""

    @property
    def ports(self) -> dict[str, str]:
        """Port → input or parameter; see `voxome.contracts.ports`."""
        return {port_of(name): name for name in (*self.inputs, *self.parameters)}

    def compute_halo(self, parameters: Parameters, scale_nm: tuple[float, float, float] = ASSUMED_NM) -> Halo:
        """Return the halo under `parameters` in voxels of `scale_nm`, as (low, high) triples."""
        return normalize_halo(self.halo(parameters, scale_nm) if callable(self.halo) else self.halo)

    def compute_scale(self, parameters: Parameters) -> Scale:
        """Return the voxels (z, y, x) into which blocks are not divided: of the grid, and of a voxel of any output."""
        scales = [(self.grid,) * 3] + [kind.scale_for(parameters) for kind in self.outputs.values()]
        z, y, x = (math.lcm(*factors) for factors in zip(*scales, strict=True))
        return z, y, x

    def compute_version(self, parameters: Parameters) -> str:
        """Return the version, with the content of the files that `parameters` name."""
        return f"{self.version}+{self.content(parameters)[:12]}" if self.content else self.version

    def bind(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Return all parameters: defaults filled in, values checked and converted to their types.

        Raises
        ------
        PlanError
            With every parameter that is unknown, missing, of another type or out of its range.
        """
        bound: dict[str, Any] = {}
        unknown = [name for name in values if name not in self.parameters]
        problems = [str(UnknownName.of(f"{self.name} parameter", name, self.parameters)) for name in unknown]
        for name, parameter in self.parameters.items():
            value = values.get(name, parameter.default)
            if value is REQUIRED:
                problems.append(f"{self.name} needs the parameter {name!r}")
                continue
            try:
                bound[name] = parameter.check(value)
            except InvalidInput as error:
                problems.append(f"parameter {name!r} of {self.name} is {error}")
        if problems:
            raise PlanError(problems)
        return bound


def memory_of(process_bytes: int, bytes_per_voxel: int) -> Callable[[int, Mapping[str, Any]], int]:
    """Return the estimate of a tool: what its process takes, and what each voxel of the block that it reads adds.

    Examples
    --------
    >>> memory_of(150_000_000, 20)(1_000_000, {})
    170000000
    """
    return lambda voxels, _: process_bytes + bytes_per_voxel * voxels


class Tool(Protocol):
    """A tool that the block runner can call."""

    @property
    def spec(self) -> ToolSpec:
        """Inputs, parameters and outputs."""

    @property
    def digest(self) -> str:
        """Digest of its source code or container image, which decides its results besides version and parameters."""

    def call(self, inputs: Mapping[str, object], parameters: Parameters, context: Context | None) -> dict[str, Any]:
        """Return the outputs by name.

        Parameters
        ----------
        inputs : mapping of str to object
            Arrays of the read box and tables; for other scopes than ``block``, volumes in place of arrays.
        parameters : mapping of str to object
            All of them, as `ToolSpec.bind` returns them.
        context : BlockContext, Region, Frame or None
            Block, region or frame; None for whole tables without a frame.

        Raises
        ------
        InvalidInput
            If it does not return a value for every output.
        """


def normalize_halo(halo: HaloLike) -> Halo:
    """Return a number, a triple or a (low, high) pair of triples as a pair of triples."""
    if not isinstance(halo, int) and len(halo) == 2:
        low, high = halo
        return _triple(low), _triple(high)
    both = _triple(halo)
    return both, both


def _triple(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) * 3 if isinstance(value, int) else tuple(int(n) for n in value)
