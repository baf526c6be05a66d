"""Frames of steps: the voxels of the first volume, or of the volume from which the first table was computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from voxome.contracts.frame import ASSUMED_NM, Frame
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.placement import are_placed, placement_problem
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box


def frame_of_volumes(
    handles: Mapping[str, Handle], volumes: Mapping[str, VolumeSpec], covering: Collection[str] = ()
) -> Frame:
    """Return the frame of a step with these volumes: the voxels of the first one, as far as the others have them.

    Its box is the part that was chosen of one of them, or what all of them have, but those of `covering`.

    Raises
    ------
    InvalidInput
        If the box is empty or not inside all volumes, or if the volumes do not have the same voxels.
    """
    first = next(iter(volumes))
    handle, spec = handles[first], _sized(handles[first], volumes[first])
    domain, stored, one = _domain(handle, spec), spec.frame, f"{first} ({handle.uri})"
    parts = [part for name, volume in volumes.items() if (part := _chosen(handles[name], volume)) is not None]
    wanted = parts[0] if parts else stored
    for name, volume in list(volumes.items())[1:]:
        other, another = _sized(handles[name], volume), f"{name} ({handles[name].uri})"
        problem = placement_problem(one, spec, another, other)
        if problem and are_placed(volumes[first], volume):
            raise InvalidInput(problem)
        whole = _domain(handles[name], other)
        shared = whole & domain
        if name in covering and wanted not in whole and are_placed(spec, other):
            raise InvalidInput(
                f"{another} covers {whole}, but the run {wanted} (z, y, x): give one of all these voxels, correct its "
                "voxel size or offset, or run the part that it covers (--box)"
            )
        if shared.empty or (shared != domain and not are_placed(spec, other)):
            raise InvalidInput(
                f"{another} spans {whole}, but {one} spans {_domain(handle, spec)}: the volumes of a step must have "
                "the same voxels, or known voxel sizes and some voxels that they share"
            )
        domain, stored = shared, stored & other.frame
    stored &= domain
    box = parts[0] if parts else stored
    if box.ndim != 3 or box.empty or box not in stored:
        raise InvalidInput(f"the box {box} is not in {handle.uri}: give a non-empty Z0:Z1,Y0:Y1,X0:X1 inside {stored}")
    return Frame(domain, box, spec.voxel_size_nm, spec.offset_nm)


def overlap_warnings(
    handles: Mapping[str, Handle], volumes: Mapping[str, VolumeSpec], frame: Frame, covering: Collection[str] = ()
) -> list[str]:
    """Return the warning for volumes from outside, but those of `covering`, that a step can use only in part."""
    warnings = []
    for name, spec in ((name, spec) for name, spec in volumes.items() if name not in covering):
        handle = handles[name]
        is_whole = _chosen(handle, spec) is None
        spans, covered = (spec.frame, frame.box) if is_whole else (_domain(handle, spec), frame.domain)
        if spans != covered and STORE not in handle.uri:
            why = "which all volumes of the step share"
            warnings.append(f"{handle.uri} spans {spans}; the run covers {covered}, {why}")
    return warnings


def _domain(handle: Handle, spec: VolumeSpec) -> Box:
    """Return all voxels of a volume, of which an array of a box has only those of the box."""
    return spec.frame if handle.domain is None else Box.parse(handle.domain)


def _chosen(handle: Handle, spec: VolumeSpec) -> Box | None:
    """Return the part of an array that is to be processed; None if that is all of it."""
    return None if handle.region == spec.frame else handle.region


def _sized(handle: Handle, spec: VolumeSpec) -> VolumeSpec:
    """Return the spec of a volume with the voxel size of the run."""
    return spec.replace(voxel_size_nm=handle.voxel_size_nm or spec.voxel_size_nm)


def frame_of_tables(handles: Mapping[str, Handle]) -> Frame | None:
    """Return the frame of the volume that the first table was computed from; None if it is unknown."""
    for handle in handles.values():
        if handle.domain is not None:
            domain = Box.parse(handle.domain)
            return Frame(domain, handle.region or domain, handle.voxel_size_nm, handle.offset_nm or (0.0, 0.0, 0.0))
    return None


def size_warnings(handle: Handle, frame: Frame) -> list[str]:
    """Return the warning for a volume from outside whose voxel size is unknown."""
    if frame.voxel_size_nm is not None or STORE in handle.uri:
        return []
    return [
        f"{handle.uri} has no voxel size: lengths in nm stay empty, and parameters in nm assume {ASSUMED_NM[0]:g} nm "
        "voxels; set it with --voxel-size Z,Y,X"
    ]
