"""What a transfer is to do: its target made or found fit, and the copies that fill it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voxome.blocks.outputs import scaled_box, sweep_locks
from voxome.blocks.pyramid import METHODS
from voxome.config.settings import setting
from voxome.contracts.abilities import SupportsFixedScales, SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, PlanError, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.resources.coarsening import Method, halving
from voxome.resources.open import create_source
from voxome.services.rollback import discard
from voxome.services.transfer.block_shape import GOOD_BYTES, block_shape
from voxome.services.transfer.copy import Copy, Verify
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.state import State
from voxome.services.transfer.target import fill_metadata, mismatches, require_lossless


@dataclass(frozen=True)
class TransferRequest:
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

    source: Endpoint
    target: Endpoint
    region: Box
    wanted: VolumeSpec
    levels: int
    existing: bool
    verify: Verify
    seed: int


def prepare(state: State, source: VolumeSource, asked: TransferRequest) -> VolumeSource:
    """The target, open for writing: new, or there from an earlier call, or one that fits.

    Raises
    ------
    AlreadyExists, PlanError, UnsupportedFormat, InvalidInput
    """
    if asked.levels > 1:
        _ = source.spec.frame
    try:
        target = asked.target.open("r+")
    except NotFound:
        return _made(state, asked)
    _refuse_others(state, source, target, asked)
    if asked.verify != "none":
        require_lossless(target.spec, asked.target.uri)
    if faults := list(mismatches(target.spec, asked.wanted)):
        raise PlanError([f"{asked.target.uri}: {fault}" for fault in faults])
    if state.begun:
        sweep_locks(asked.target.uri)
    else:
        state.keep()
    _add_levels(state, target, asked)
    return target


def _refuse_others(state: State, source: VolumeSource, target: VolumeSource, asked: TransferRequest) -> None:
    """Refuse a target that is not from this transfer, unless it may be there; then begin anew."""
    try:
        if not state.begun:
            raise AlreadyExists(
                f"{asked.target.uri} is there already, and not from this transfer: remove it, choose another name, or "
                "have it written into with existing=True (--existing)"
            )
        state.check("target", asked.target.uri, target.version().token)
        state.check("source", asked.source.uri, source.version().token)
    except AlreadyExists:
        if not asked.existing:
            raise
        state.forget()
    if asked.existing and state.facts.get("complete"):
        state.forget()


def _made(state: State, asked: TransferRequest) -> VolumeSource:
    if asked.verify != "none":
        require_lossless(asked.wanted, asked.target.uri)
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
    except VoxomeError as error:
        if not made or discard(asked.target.text):
            state.forget()
        else:
            error.add_note(f"{asked.target.uri} is made, and empty: a transfer that it can take fills it")
        raise
    return target


def _add_levels(state: State, target: VolumeSource, asked: TransferRequest) -> None:
    """Make the levels that are missing; that changes the version of the target."""
    if asked.levels == 1:
        return
    pyramid = ability(target, SupportsLevels)
    if pyramid is None:
        raise UnsupportedFormat(f"{asked.target.uri} cannot have levels; leave --levels out, or write zarr, which can")
    while len(pyramid.levels) < asked.levels:
        state.keep(target=None)
        pyramid.create_level(_next_scale(target, pyramid))
    _ = [_factors(pyramid, number) for number in range(1, asked.levels)]


def _next_scale(target: VolumeSource, pyramid: SupportsLevels) -> Scale:
    """How coarse the next level is: as the store wants it, else so that voxels become cubes."""
    given = ability(target, SupportsFixedScales)
    if given is not None:
        return given.next_scale
    last, size = pyramid.levels[-1].scale, target.spec.voxel_size_nm
    now = None if size is None else [length * n for length, n in zip(size, last, strict=True)]
    z, y, x = (n * factor for n, factor in zip(last, halving(now), strict=True))
    return z, y, x


def _factors(pyramid: SupportsLevels, number: int) -> Scale:
    """Voxels (z, y, x) of the level before along one of level `number`."""
    before, scale = pyramid.levels[number - 1].scale, pyramid.levels[number].scale
    if any(b % a for a, b in zip(before, scale, strict=True)):
        raise InvalidInput(
            f"level {number} has the scale {scale} (z, y, x), no multiple of {before}, that of the level before, from "
            "which it would be made; ask for fewer levels"
        )
    z, y, x = (b // a for a, b in zip(before, scale, strict=True))
    return z, y, x


def plan(source: VolumeSource, target: VolumeSource, asked: TransferRequest) -> list[Copy]:
    """The copies that fill the target: of the source, and of each level from the one before."""
    spec, box = target.spec, asked.wanted.domain
    cover = source.spec.read_chunk or (1,) * spec.domain.ndim
    shift = tuple(b - a for a, b in zip(asked.region.start, box.start, strict=True))
    first = _copy("copy", asked.source, asked.target, spec, box, cover, shift=shift)
    return [first, *_coarser(target, box, asked)]


def _coarser(target: VolumeSource, box: Box, asked: TransferRequest) -> Iterator[Copy]:
    pyramid = ability(target, SupportsLevels)
    for number in range(1, asked.levels):
        assert pyramid is not None
        spec = pyramid.level(number).spec
        by_axis = dict(zip("zyx", _factors(pyramid, number), strict=True))
        factors = tuple(by_axis.get(axis, 1) for axis in spec.axes)
        box = scaled_box(box, factors)
        ends = asked.target.level(number - 1), asked.target.level(number)
        unit = spec.write_chunk or (1,) * box.ndim
        yield _copy(f"level {number}", *ends, spec, box, unit, factors=factors, method=METHODS[spec.kind])


def _copy(
    name: str,
    source: Endpoint,
    target: Endpoint,
    spec: VolumeSpec,
    box: Box,
    cover: tuple[int, ...],
    *,
    shift: tuple[int, ...] | None = None,
    factors: tuple[int, ...] | None = None,
    method: Method | None = None,
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
        factors or (1,) * box.ndim,
        method,
    )
