"""Options of a run, besides the inputs of its workflow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from voxome.contracts.arguments import (
    require_count,
    require_flags,
    require_lengths,
    require_path,
    require_text,
    require_voxels,
)
from voxome.contracts.formats import PRIVATE
from voxome.contracts.handle import STORE
from voxome.contracts.uri import Location
from voxome.environments import GROUP
from voxome.errors import InvalidInput, describe_value
from voxome.geometry import Box
from voxome.registry import factory
from voxome.services.transfer.choices import Verify
from voxome.services.transfer.endpoint import require_dropped
from voxome.services.transfer.run import check_choices

STEPS = f"{STORE}/{PRIVATE}/steps"
"""Folder of the intermediate data of a run."""
DEFAULT_BLOCK = (64, 128, 128)
"""Write box in voxels (z, y, x)."""

BlockChoice = Sequence[int] | Mapping[str, Sequence[int]]
"""A block shape (z, y, x), or step name → shape, with ``"*"`` for all other steps."""


@dataclass(frozen=True)
class IntoOptions:
    """How results are copied into other stores; as the arguments of `voxome.transfer`.

    Attributes
    ----------
    levels : int
        Number of levels of a destination.
    verify : {"none", "sampled", "all"}
        Which blocks to read back and compare.
    drop : tuple of {"start", "voxel_size", "offset", "attributes"}
        Properties that a new destination does not keep.
    existing : bool
        Whether to write into an existing volume that is not from this run.
    """

    levels: int = 1
    verify: Verify = "sampled"
    drop: tuple[str, ...] = ()
    existing: bool = False

    @classmethod
    def of(cls, levels: int, verify: Verify, drop: Collection[str], existing: bool) -> IntoOptions:
        """Return the options for the arguments of `voxome.run`.

        Raises
        ------
        UnknownName, InvalidInput
        """
        check_choices(verify, levels)
        require_flags(existing=existing)
        return cls(levels, verify, require_dropped(drop), existing)


@dataclass(frozen=True)
class RunOptions:
    """How a run cuts its volumes, and which part of them it covers.

    Attributes
    ----------
    block : (z, y, x), optional
        Write box in voxels; by default that of the workflow, or `DEFAULT_BLOCK`. A step whose output has
        coarser voxels rounds it up to whole ones.
    blocks : mapping of str to (z, y, x)
        Write boxes of single steps, by their names.
    box : Box or str, optional
        The part of the volumes to run, in the store's coordinates. A text may leave out ends, as ``10:,:,100:200``:
        they are those of the volume.
    level : int
        Level of multiscale inputs; 0 is the finest.
    voxel_size_nm : (z, y, x), optional
        Used instead of the voxel size that the volumes have.
    force : bool
        Whether inputs that a tool rejects as unsuitable only cause warnings.
    environment : str, optional
        ``NAME[?option=value&…]`` of where foreign programs run; that of the settings if None.
    home : str
        Parent folder of the folders of the steps.
    into : mapping of str to str
        Outputs → URIs of volumes in other stores, into which they are copied once they are complete.
    into_options : IntoOptions
        How they are copied.
    """

    block: tuple[int, int, int] | None = None
    blocks: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    box: Box | str | None = None
    level: int = 0
    voxel_size_nm: tuple[float, float, float] | None = None
    force: bool = False
    environment: str | None = None
    home: str = STEPS
    into: Mapping[str, str] = field(default_factory=dict)
    into_options: IntoOptions = field(default_factory=IntoOptions)

    def __post_init__(self) -> None:
        if self.environment is not None:
            require_text("environment", self.environment, "podman")
            factory(GROUP, self.environment)
        if self.into_options != IntoOptions() and not self.into:
            raise InvalidInput(
                "levels, verify, drop and existing apply to results that are copied into another store; name one with "
                "into= (--into NAME=URI), or leave them out"
            )

    @classmethod
    def of(
        cls,
        block: BlockChoice | None = None,
        box: Box | str | None = None,
        level: int = 0,
        voxel_size_nm: Sequence[float] | None = None,
        force: bool = False,
        into: Mapping[str, Location] | None = None,
        into_options: IntoOptions | None = None,
        environment: str | None = None,
    ) -> RunOptions:
        """Return the options for the arguments of `voxome.run`.

        Raises
        ------
        InvalidInput, UnknownName
            If one is invalid; the message says what was expected.
        """
        require_flags(force=force)
        shapes = block if isinstance(block, Mapping) else {} if block is None else {"*": block}
        blocks = {step: require_voxels("block", shape) for step, shape in shapes.items()}
        if isinstance(box, str):
            Box.parse_ranges(box)
        if into is not None and not isinstance(into, Mapping):
            raise InvalidInput(
                f"into is {describe_value(into)}; expected outputs and URIs, such as {{'neurons': 'zarr://PATH'}}"
            )
        return cls(
            block=blocks.pop("*", None),
            blocks=blocks,
            box=box if box is None or isinstance(box, str) else Box.of(box),
            level=require_count("level", level, 0),
            voxel_size_nm=None if voxel_size_nm is None else require_lengths("voxel_size_nm", voxel_size_nm),
            force=force,
            into={output: require_path(f"into[{output!r}]", uri) for output, uri in (into or {}).items()},
            into_options=into_options or IntoOptions(),
            environment=environment,
        )
