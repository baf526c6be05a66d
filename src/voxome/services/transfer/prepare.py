"""Prepare a transfer: create or check its target, and plan the copies that fill it."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from voxome.config.settings import settings
from voxome.contracts.abilities import (
    SupportsFixedScales,
    SupportsLevels,
    SupportsOwnDownsampling,
    ability,
    most_detailed_version,
)
from voxome.contracts.levels import require_scale
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, NotFound, PlanError, UnsupportedFormat, VoxomeError
from voxome.extras import require
from voxome.geometry import Box
from voxome.resources.coarsening import METHODS, halving
from voxome.resources.create import adapt_spec, create_source
from voxome.services.downsample.levels import known_scales
from voxome.services.downsample.passes import Assembly, Pass
from voxome.services.downsample.planning import plan_assemblies, plan_passes
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
    known_scales(request.target.uri, pyramid, 1 + len(_coarser(target, pyramid, request)))


def _coarser(target: VolumeSource, pyramid: SupportsLevels | None, request: TransferRequest) -> range:
    """Return the numbers of the coarser levels that are filled: all that the target has, lest one shows what was there.

    Of a store that computes levels itself, only those requested.
    """
    if pyramid is None or "level" in Uri.parse(request.target.text).query:
        return range(1, 1)
    count = len(pyramid.levels)
    return range(1, count if ability(target, SupportsOwnDownsampling) is None else min(request.levels, count))


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


def plan_copy(source: VolumeSource, target: VolumeSource, request: TransferRequest) -> Copy:
    """Return the copy that fills the finest level of the target."""
    spec, box = target.spec, request.target_spec.domain
    chunk, read_chunk = spec.write_chunk or (1,) * box.ndim, source.spec.read_chunk or (1,) * box.ndim
    size = settings().transfer_block_bytes
    return Copy(
        name="copy",
        source=request.source.uri,
        target=request.target.uri,
        domain=str(spec.domain),
        box=str(box),
        block=block_shape(chunk, spec.domain.shape, spec.dtype.itemsize, read_chunk, size),
        dtype=spec.dtype.name,
        shift=tuple(b - a for a, b in zip(request.box.start, box.start, strict=True)),
        source_name=request.source_name,
    )


def plan_levels(target: VolumeSource, request: TransferRequest, scratch: str) -> list[Pass | Assembly]:
    """Return what fills the coarser levels of the target, over the box that is copied: as `voxome.downsample` does.

    Parameters
    ----------
    target : VolumeSource
        The finest level.
    request : TransferRequest
        The transfer.
    scratch : str
        Address of the folder for pieces.
    """
    pyramid = ability(target, SupportsLevels)
    levels = {} if pyramid is None else {n: pyramid.level(n).spec for n in _coarser(target, pyramid, request)}
    if pyramid is None or not levels:
        return []
    require("services", "numba")
    uri, spec = request.target.uri, target.spec
    scales = known_scales(uri, pyramid, 1 + len(levels))
    cell = dict(zip("zyx", scales[-1], strict=True))
    whole = tuple(cell.get(axis, 1) for axis in spec.axes)
    part = spec.replace(domain=request.target_spec.domain.coarsen(whole).refine(whole) & spec.domain)
    passes = plan_passes(
        source=uri,
        target=uri,
        scratch=scratch,
        spec=part,
        levels=levels,
        scales=scales,
        method=METHODS[spec.kind],
        no_data=None,
        ids=False,
    )
    parts = list[Pass | Assembly]()
    for one in passes:
        parts += [one, *plan_assemblies(one, part, levels, scales)]
    return parts
