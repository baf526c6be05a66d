"""The arrays that a step writes: made before its first job, finished after its last."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voxome.blocks.step import Step
from voxome.contracts.abilities import SupportsAttributes, SupportsLevels, ability
from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE
from voxome.contracts.kinds import Image
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import AlreadyExists, NotFound
from voxome.geometry import Box
from voxome.remotes.levels import coarser
from voxome.resources.open import create_source, open_source

_CHUNK = 64
_LARGEST_CHUNK = 256


def step_folder(step: Step, store: str) -> Path:
    """The folder of the step on disk."""
    return Path(step.folder.replace(STORE, store))


def scaled_box(box: Box, scale: tuple[int, ...]) -> Box:
    """`box` in the voxels of an array `scale` times as coarse: its voxel i spans the indices from ``i * scale`` on."""
    low = tuple(a // s for a, s in zip(box.start, scale, strict=True))
    return Box(low, tuple(-(-b // s) for b, s in zip(box.stop, scale, strict=True)))


def chunk_of(block: tuple[int, ...]) -> tuple[int, ...]:
    """A chunk that divides `block`: its edges are at most 64 voxels, or the block's where only small ones divide it.

    Examples
    --------
    >>> chunk_of((64, 128, 125))
    (64, 64, 125)
    """
    return tuple(map(_chunk_edge, block))


def _chunk_edge(length: int) -> int:
    best = max(d for d in range(1, min(length, _CHUNK) + 1) if length % d == 0)
    return best if best >= _CHUNK // 2 or length > _LARGEST_CHUNK else length


def output_spec(kind: Image, frame: Frame, block: tuple[int, ...], parameters: Mapping[str, Any]) -> VolumeSpec:
    """The array that holds an output of `kind` over the whole domain of `frame`."""
    channels = kind.channels(parameters) if callable(kind.channels) else kind.channels
    attributes = kind.attributes(parameters) if callable(kind.attributes) else kind.attributes
    scale = kind.scale_for(parameters)
    domain = frame.domain
    chunk = chunk_of(tuple(-(-n // s) for n, s in zip(block, scale, strict=True)))
    axes: tuple[str, ...] = ("z", "y", "x")
    if channels is not None:
        domain = Box((0, *domain.start), (channels, *domain.stop))
        chunk, axes = (channels, *chunk), ("c", *axes)
    spec = VolumeSpec(
        domain,
        kind.dtype or "uint8",  # type: ignore[arg-type]
        axes=axes,
        kind=kind.meaning,
        voxel_size_nm=frame.voxel_size_nm,
        offset_nm=frame.offset_nm,
        read_chunk=chunk,
        write_chunk=chunk,
        attributes=dict(attributes),
    )
    return coarser(spec, scale)


def own_arrays(step: Step, store: str) -> Iterator[tuple[str, Image]]:
    """URIs and kinds of the arrays that are the step's own: not those which were there before it."""
    for name, kind in image_outputs(step).items():
        if name not in step.into:
            yield step.output(name).within(store).uri, kind


def image_outputs(step: Step) -> dict[str, Image]:
    """The outputs that are arrays."""
    return {name: kind for name, kind in step.spec.outputs.items() if isinstance(kind, Image)}


def missing(step: Step, store: str) -> bool:
    """Whether the step's folder or one of its arrays is not there, so that nothing of it is done."""
    try:
        open_outputs(step, store, mode="r")
    except NotFound:
        return True
    return not (step_folder(step, store) / "step.json").exists()


def prepare(step: Step, store: str) -> None:
    """Make the step's folder and arrays, or check that those that are there are its own.

    Raises
    ------
    AlreadyExists
        If another step's array is there.
    """
    folder = step_folder(step, store)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "step.json").write_text(json.dumps(step.to_json()), encoding="utf-8")
    for uri, kind in own_arrays(step, store):
        if "?level=" in uri:
            _create_level(uri, kind.scale_for(step.parameters))
            continue
        assert step.frame is not None
        spec = output_spec(kind, step.frame, step.block, step.parameters)
        mark = {"step": step.name, "step_key": step.key, "box": str(step.frame.box), "complete": False}
        try:
            found = open_source(uri).spec.attributes.get("voxome_run", {})
        except NotFound:
            create_source(uri, spec.replace(attributes={**spec.attributes, "voxome_run": mark}))
            continue
        if found.get("step_key") != step.key:
            raise AlreadyExists(f"{uri} holds the result of another run; choose another folder, or remove it")


def _create_level(uri: str, factors: Scale) -> None:
    """Add the level that `uri` names, `factors` times as coarse as the one before it, unless it is there."""
    base, _, level = uri.partition("?level=")
    pyramid = ability(open_source(base, mode="r+"), SupportsLevels)
    if pyramid is not None and len(pyramid.levels) <= int(level):
        z, y, x = (n * f for n, f in zip(pyramid.levels[-1].scale, factors, strict=True))
        pyramid.create_level((z, y, x))


def finish(step: Step, store: str) -> None:
    """Say in the attributes of the step's arrays that they are complete."""
    for uri, _ in own_arrays(step, store):
        if "?level=" in uri:
            continue
        source = open_source(uri, mode="r+")
        keeper = ability(source, SupportsAttributes)
        if keeper is not None:
            mark = {**source.spec.attributes.get("voxome_run", {}), "complete": True}
            keeper.update_attributes({"voxome_run": mark})


def open_outputs(step: Step, store: str, mode: Mode = "r+") -> dict[str, VolumeSource]:
    """The step's arrays."""
    return {name: open_source(step.output(name).within(store).uri, mode=mode) for name in image_outputs(step)}


def sweep_locks(uri: str) -> None:
    """Remove lock files that writers left which were killed; nobody may be writing."""
    for lock in Path(uri.partition("://")[2]).rglob("*.__lock"):
        with contextlib.suppress(FileNotFoundError):
            lock.unlink()
