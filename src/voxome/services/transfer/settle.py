"""What a transfer is to do: its target made or found fit, and the copies that fill it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voxome.blocks.outputs import scaled_box, sweep_locks
from voxome.blocks.pyramid import METHODS
from voxome.config.settings import setting
from voxome.contracts.uri import Uri
from voxome.contracts.volume import (
    SupportsDelete,
    SupportsLevels,
    VolumeSource,
    VolumeSpec,
    ability,
)
from voxome.errors import AlreadyThere, InvalidInput, NotFound, PlanError, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.resources.open import create_source, remote
from voxome.services.transfer.copy import Copy, Verify
from voxome.services.transfer.ends import End
from voxome.services.transfer.lattice import GOOD_BYTES, block_shape
from voxome.services.transfer.state import State
from voxome.services.transfer.target import faults_of, fill_metadata, refuse_lossy


@dataclass(frozen=True)
class Asked:
    """A transfer that is asked for.

    Attributes
    ----------
    source, target : End
        From where to where.
    region : Box
        What is copied, in the source's coordinates.
    wanted : VolumeSpec
        The target as it would be made.
    levels : int
        How many it is to have.
    existing : bool
        Whether it may be there.
    verify, seed : str, int
        Which blocks are read back.
    """

    source: End
    target: End
    region: Box
    wanted: VolumeSpec
    levels: int
    existing: bool
    verify: Verify
    seed: int


def settle(state: State, source: VolumeSource, asked: Asked) -> VolumeSource:
    """The target, open for writing: new, or there from an earlier call, or one that fits.

    Raises
    ------
    AlreadyThere, PlanError, UnsupportedFormat, InvalidInput
    """
    if asked.levels > 1:
        _ = source.spec.frame
    try:
        target = asked.target.open("r+")
    except NotFound:
        return _made(state, asked)
    _refuse_others(state, source, target, asked)
    if asked.verify != "none":
        refuse_lossy(target.spec, asked.target.uri)
    if faults := list(faults_of(target.spec, asked.wanted)):
        raise PlanError([f"{asked.target.uri}: {fault}" for fault in faults])
    if state.begun:
        sweep_locks(asked.target.uri)
    else:
        state.keep()
    _add_levels(state, target, asked)
    return target


def _refuse_others(state: State, source: VolumeSource, target: VolumeSource, asked: Asked) -> None:
    """Refuse a target that is not from this transfer, unless it may be there; then begin anew."""
    try:
        if not state.begun:
            raise AlreadyThere(
                f"{asked.target.uri} is there already, and not from this transfer: remove it, choose another name, or "
                "have it written into with existing=True (--existing)"
            )
        state.check("target", asked.target.uri, target.version().token)
        state.check("source", asked.source.uri, source.version().token)
    except AlreadyThere:
        if not asked.existing:
            raise
        state.forget()
    if asked.existing and state.facts.get("complete"):
        state.forget()


def _made(state: State, asked: Asked) -> VolumeSource:
    if asked.verify != "none":
        refuse_lossy(asked.wanted, asked.target.uri)
    if "level" in Uri.parse(asked.target.text).query:
        raise NotFound(
            f"there is no {asked.target.uri}; a level is made together with those below, by levels (--levels)"
        )
    state.forget()
    state.keep()
    made = False
    try:
        target = create_source(asked.target.text, asked.wanted)
        made = True
        fill_metadata(target, asked.wanted.attributes)
        _add_levels(state, target, asked)
    except VoxomeError:
        state.forget()
        if made:
            _remove(asked.target)
        raise
    return target


def _add_levels(state: State, target: VolumeSource, asked: Asked) -> None:
    """Make the levels that are missing; that changes the version of the target."""
    if asked.levels == 1:
        return
    pyramid = ability(target, SupportsLevels)  # type: ignore[type-abstract]
    if pyramid is None:
        raise UnsupportedFormat(f"{asked.target.uri} cannot have levels; leave --levels out, or write zarr, which can")
    for number in range(1, asked.levels):
        scale = (2**number,) * 3
        if number >= len(pyramid.levels):
            state.keep(target=None)
            pyramid.create_level(scale)
        elif pyramid.levels[number].scale != scale:
            seen = pyramid.levels[number].scale
            raise InvalidInput(f"level {number} of {asked.target.uri} has the scale {seen}; {scale} was expected")


def _remove(target: End) -> None:
    """Remove what was just made, where its store can."""
    uri = Uri.parse(target.text)
    store = remote(uri.scheme)
    if isinstance(store, SupportsDelete):
        store.delete(uri)


def plan(source: VolumeSource, target: VolumeSource, asked: Asked) -> list[Copy]:
    """The copies that fill the target: of the source, and of each level from the one before."""
    spec, box = target.spec, asked.wanted.domain
    cover = source.spec.read_chunk or (1,) * spec.domain.ndim
    shift = tuple(b - a for a, b in zip(asked.region.start, box.start, strict=True))
    first = _copy("copy", asked.source, asked.target, spec, box, cover, shift=shift)
    return [first, *_halvings(target, box, asked)]


def _halvings(target: VolumeSource, box: Box, asked: Asked) -> Iterator[Copy]:
    pyramid = ability(target, SupportsLevels)  # type: ignore[type-abstract]
    for number in range(1, asked.levels):
        assert pyramid is not None
        spec = pyramid.level(number).spec
        box = scaled_box(box, tuple(2 if axis in spec.spatial else 1 for axis in range(box.ndim)))
        ends = asked.target.level(number - 1), asked.target.level(number)
        unit = spec.write_chunk or (1,) * box.ndim
        yield _copy(f"level {number}", *ends, spec, box, unit, method=METHODS[spec.kind])


def _copy(
    name: str,
    source: End,
    target: End,
    spec: VolumeSpec,
    box: Box,
    cover: tuple[int, ...],
    *,
    shift: tuple[int, ...] | None = None,
    method: str = "",
) -> Copy:
    unit, good = spec.write_chunk or (1,) * box.ndim, setting("TRANSFER_BLOCK_BYTES", GOOD_BYTES)
    block = block_shape(unit, spec.domain.shape, spec.dtype.itemsize, cover, good // 8 if method else good)
    return Copy(
        name,
        source.uri,
        target.uri,
        str(spec.domain),
        str(box),
        block,
        spec.dtype.name,
        shift or (0,) * box.ndim,
        method,
    )
