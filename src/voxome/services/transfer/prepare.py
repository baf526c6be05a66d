"""Prepare a transfer: create or check its target, and plan the copies that fill it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from voxome.config.settings import settings
from voxome.contracts.abilities import SupportsFixedScales, SupportsLevels, ability, most_detailed_version
from voxome.contracts.downsampling import Method
from voxome.contracts.levels import require_scale
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, PlanError, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.resources.coarsening import METHODS, halving
from voxome.resources.open import adapt_spec, create_source
from voxome.services.rollback import discard
from voxome.services.transfer.choices import Verify
from voxome.services.transfer.copy import Copy, block_shape
from voxome.services.transfer.endpoint import Endpoint, TargetOptions, fill_metadata, mismatches, require_lossless
from voxome.services.transfer.state import State
from voxome.storage.find import storage_path

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransferRequest:
    """Parameters of a transfer.

    Attributes
    ----------
    source, target : Endpoint
        Endpoints.
    box : Box
        Part to copy, in the coordinates of the source.
    options : TargetOptions
        How a new target differs from the source.
    target_spec : VolumeSpec
        Spec of the target, if it is created.
    levels : int
        Number of levels of the target.
    existing : bool
        Whether the target may exist.
    verify : {"none", "sampled", "all"}
        Which blocks to read back.
    seed : int
        Random seed of the sample.
    source_name : str
        What later calls know the source by, if its URI may change; empty for the URI.
    source_version : str or None
        Version of the source, if its store need not tell. A source of another version is copied again, into the
        same target; without it, such a source is refused.
    """

    source: Endpoint
    target: Endpoint
    box: Box
    options: TargetOptions
    target_spec: VolumeSpec
    levels: int
    existing: bool
    verify: Verify
    seed: int
    source_name: str = ""
    source_version: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Source, destination, box and options, as JSON values, by which later calls find the state."""
        return {
            "source": self.source_name or self.source.uri,
            "destination": self.target.uri,
            "box": str(self.box),
            "options": asdict(self.options),
        }

    @property
    def new_spec(self) -> VolumeSpec:
        """Spec with which the target is created: it may have to be larger, or to have all levels from the start."""
        return adapt_spec(self.target.text, self.target_spec, self.levels)


def prepare(state: State, request: TransferRequest, source: VolumeSource | None = None) -> VolumeSource:
    """Open the target for writing: a new one, that of an earlier call, or an existing one that fits.

    The source may be missing if the request has its version.

    Raises
    ------
    AlreadyExists, PlanError, UnsupportedFormat, InvalidInput
    """
    if request.levels > 1:
        _ = request.target_spec.frame
    try:
        target = request.target.open("r+")
    except NotFound:
        return _create(state, request)
    _refuse_other_target(state, target, request, source)
    require_fit(target.spec, request)
    if state.begun:
        _remove_stale_locks(request.target.uri)
    state.keep(**_known_facts(request))
    _add_levels(state, target, request)
    return target


def require_fit(spec: VolumeSpec, request: TransferRequest) -> None:
    """Refuse an existing target that differs from the one that would be created, or whose codec is lossy.

    Raises
    ------
    PlanError, InvalidInput
    """
    if request.verify != "none":
        require_lossless(spec, request.target)
    if problems := list(mismatches(spec, request.target_spec)):
        raise PlanError([f"{request.target.uri}: {problem}" for problem in problems])


def _known_facts(request: TransferRequest) -> dict[str, str]:
    return {} if request.source_version is None else {"source": request.source_version}


def _remove_stale_locks(uri: str) -> None:
    """Remove the lock files of killed writers, if the target consists of files."""
    with suppress(UnsupportedFormat):
        storage_path(replace(Uri.parse(uri), query={})).remove_stale_locks()


def _refuse_other_target(
    state: State, target: VolumeSource, request: TransferRequest, source: VolumeSource | None
) -> None:
    """Refuse a target that is not from this transfer, unless it may exist; then start over."""
    try:
        if not state.begun:
            raise AlreadyExists(
                f"{request.target.uri} already exists and is not from this transfer: remove it, choose another name, "
                "or write into it with existing=True (--existing)"
            )
        state.check("target", request.target.uri, target.version().token)
        if source is not None and request.source_version is None:
            state.check("source", request.source.uri, most_detailed_version(source).token)
    except AlreadyExists:
        if not request.existing:
            raise
        state.forget()
    if request.source_version is None:
        if request.existing and state.facts.get("complete"):
            state.forget()
    elif state.facts.get("source") != request.source_version:
        state.restart()


def _create(state: State, request: TransferRequest) -> VolumeSource:
    if request.verify != "none":
        require_lossless(request.target_spec, request.target)
    if "level" in Uri.parse(request.target.text).query:
        raise NotFound(
            f"{request.target.uri} does not exist; to create levels, transfer the volume with levels (--levels)"
        )
    state.forget()
    state.keep(**_known_facts(request))
    state.mark_unfinished(request.target_spec.domain, new=True)
    created = False
    try:
        target = create_source(request.target.text, request.new_spec)
        created = True
        fill_metadata(target, request.target_spec.attributes)
        _add_levels(state, target, request)
    except VoxomeError as error:
        if not created or discard(request.target.text):
            state.forget()
            state.mark_finished(request.target_spec.domain)
        else:
            error.add_note(f"{request.target.uri} was created and is empty; a transfer that fits it can fill it")
        raise
    return target


def _add_levels(state: State, target: VolumeSource, request: TransferRequest) -> None:
    """Create the missing levels, which changes the version of the target, up to one that would be a single voxel."""
    if request.levels == 1:
        return
    pyramid = ability(target, SupportsLevels)
    if pyramid is None:
        raise UnsupportedFormat(f"{request.target.uri} cannot have levels; leave out --levels, or write zarr")
    while (count := len(pyramid.levels)) < request.levels:
        scale = _next_scale(str(request.target.uri), target, pyramid)
        if max(target.spec.frame.coarsen(scale).shape) <= 1:
            _LOG.warning(
                "%s has %d levels, not %d: the next would be one voxel", request.target.uri, count, request.levels
            )
            break
        state.keep(target=None)
        pyramid.create_level(scale)
    _ = [_factors(str(request.target.uri), pyramid, number) for number in _coarser(pyramid, request)]


def _coarser(pyramid: SupportsLevels | None, request: TransferRequest) -> range:
    """Return the numbers of the levels that are filled from the level before: all requested that the target has."""
    return range(1, min(request.levels, 1 if pyramid is None else len(pyramid.levels)))


def _next_scale(name: str, target: VolumeSource, pyramid: SupportsLevels) -> Scale:
    """Return the scale of the next level: that of the store, or one that makes voxels more isotropic."""
    fixed = ability(target, SupportsFixedScales)
    if fixed is not None:
        return fixed.next_scale
    levels, size = pyramid.levels, target.spec.voxel_size_nm
    last = require_scale(name, levels, len(levels) - 1)
    now = None if size is None else [length * n for length, n in zip(size, last, strict=True)]
    z, y, x = (n * factor for n, factor in zip(last, halving(now), strict=True))
    return z, y, x


def _factors(name: str, pyramid: SupportsLevels, number: int) -> Scale:
    """Return the downsampling factors (z, y, x) from the previous level to level `number`."""
    before, scale = (require_scale(name, pyramid.levels, n) for n in (number - 1, number))
    if any(b % a for a, b in zip(before, scale, strict=True)):
        raise InvalidInput(
            f"Level {number} has scale {scale} (z, y, x), which is not a multiple of {before}, the scale of the "
            "previous level; choose fewer levels"
        )
    z, y, x = (b // a for a, b in zip(before, scale, strict=True))
    return z, y, x


def plan(source: VolumeSource, target: VolumeSource, request: TransferRequest) -> list[Copy]:
    """Return the copies that fill the target: one from the source, and one for each level from the previous one."""
    spec, box = target.spec, request.target_spec.domain
    read_chunk = source.spec.read_chunk or (1,) * spec.domain.ndim
    shift = tuple(b - a for a, b in zip(request.box.start, box.start, strict=True))
    name = request.source_name
    first = _copy("copy", request.source, request.target, spec, box, read_chunk, shift=shift, source_name=name)
    return [first, *_level_copies(target, box, request)]


def _level_copies(target: VolumeSource, box: Box, request: TransferRequest) -> Iterator[Copy]:
    pyramid = ability(target, SupportsLevels)
    for number in _coarser(pyramid, request):
        assert pyramid is not None
        spec = pyramid.level(number).spec
        by_axis = dict(zip("zyx", _factors(str(request.target.uri), pyramid, number), strict=True))
        factors = tuple(by_axis.get(axis, 1) for axis in spec.axes)
        box = box.coarsen(factors)
        endpoints = request.target.level(number - 1), request.target.level(number)
        chunk = spec.write_chunk or (1,) * box.ndim
        yield _copy(f"level {number}", *endpoints, spec, box, chunk, factors=factors, method=METHODS[spec.kind])


def _copy(
    name: str,
    source: Endpoint,
    target: Endpoint,
    spec: VolumeSpec,
    box: Box,
    read_chunk: tuple[int, ...],
    *,
    shift: tuple[int, ...] | None = None,
    factors: tuple[int, ...] | None = None,
    method: Method | None = None,
    source_name: str = "",
) -> Copy:
    chunk, size = spec.write_chunk or (1,) * box.ndim, settings().transfer_block_bytes
    block = block_shape(chunk, spec.domain.shape, spec.dtype.itemsize, read_chunk, size // 8 if method else size)
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
        source_name,
    )
