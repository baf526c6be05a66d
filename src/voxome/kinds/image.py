"""Volumes: intensities, probabilities, labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from voxome.contracts.abilities import SupportsAttributes, SupportsDelete, SupportsLevels, ability
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Arrays, Kind, Parameters, Target
from voxome.contracts.levels import coarser, require_scale
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.spec import Scale, VolumeKind, VolumeSpec
from voxome.contracts.uri import Uri, at_level, with_options
from voxome.errors import AlreadyExists, InvalidInput, NotFound, VoxomeError
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds.chunks import chunk_of, chunk_problems
from voxome.kinds.ownership import FOREIGN, require_own
from voxome.kinds.paths import with_suffix
from voxome.kinds.versions import pinned_volume, require_recordable
from voxome.resources.addresses import absolute
from voxome.resources.create import create_source
from voxome.resources.extended import Extended
from voxome.resources.open import format_traits, locate, open_source
from voxome.resources.provenance import record
from voxome.resources.recognition import get_remote
from voxome.resources.sample import sample_blocks
from voxome.resources.unfinished import RUN_MARK, UNFINISHED_LEVEL
from voxome.resources.view_options import apply_view
from voxome.resources.volume import Volume
from voxome.storage.find import storage_at, storage_path
from voxome.storage.path import StoragePath

FORMAT = "zarr"
"""The format of the arrays that a run creates."""
_FRACTIONS = {"dtype": "uint8", "window": "0:1"}
"""Options of the view in which 1 is 255."""


@dataclass(frozen=True)
class ImageReader:
    """A volume as an input: tools of blocks get the array of the read box, others a Volume in its coordinates."""

    source: VolumeSource

    def read(self, box: Box) -> object:
        """Return the voxels of `box`, channels first."""
        return self.source.read(self.source.spec.lift(box))

    def view(self) -> Volume:
        """Return the volume."""
        return Volume(self.source)


class ImageWriter:
    """A volume that is written block by block."""

    def __init__(self, source: VolumeSource, scale: Scale, target: Target) -> None:
        self._source, self._scale, self._target = source, scale, target

    def begin_job(self) -> None:
        """Do nothing: blocks that were stored are stored again."""

    def write(self, value: object, block: Block) -> None:
        """Write the voxels of a block, given those of its write box or of its read box."""
        data, spec = np.asarray(value), self._source.spec
        write, read = block.write.coarsen(self._scale), block.read.coarsen(self._scale)
        if data.shape[-3:] == read.shape:
            inner = write.within(read)
            data = data[..., inner[0], inner[1], inner[2]]
        box = spec.lift(write)
        if data.shape != box.shape or data.dtype != spec.dtype:
            raise InvalidInput(
                f"output {self._target.name!r} of {self._target.tool} is {data.dtype} of shape {data.shape}; expected "
                f"{spec.dtype} of shape {box.shape} (or that of the read box)"
            )
        self._source.write(box, data)

    def end_job(self, phase: int, job: int) -> None:
        """Do nothing: blocks are stored as they are written."""


@dataclass(frozen=True)
class Image(Kind):
    """A volume of intensities.

    Attributes
    ----------
    dtype : str, optional
        Of an output: its dtype. Of an input: the only dtype that is accepted; None accepts any.
    channels : int or function of the parameters, optional
        Channels before z, y, x; None has no channel axis.
    attributes : mapping or function of the parameters
        Of an output: JSON attributes kept beside the voxels.
    scale : (z, y, x) or function of the parameters
        Of an output: voxels of the frame along one voxel of it.
    kind : {"image", "probability", "labels"}
        Meaning of the voxels.
    at_first : function of the parameters, optional
        Of an output: whether its voxels are where the first ones are that they span, not in their middle.
    """

    dtype: str | None = None
    channels: int | Callable[[Parameters], int] | None = None
    attributes: Mapping[str, Any] | Callable[[Parameters], Mapping[str, Any]] = field(default_factory=dict)
    scale: Scale | Callable[[Parameters], Scale] = (1, 1, 1)
    kind: VolumeKind = "image"
    at_first: Callable[[Parameters], bool] | None = None
    type: ClassVar[str] = "volume"
    is_volume: ClassVar[bool] = True

    def scale_for(self, parameters: Parameters) -> Scale:
        return self.scale(parameters) if callable(self.scale) else self.scale

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        uri = handle.uri if "level" in Uri.parse(handle.uri).query else at_level(handle.uri, level)
        located = require_recordable(absolute(locate(uri)))
        source = open_source(located)
        if view := self.view_of(source, located):
            located = with_options(located, **view)
            source = open_source(located)
        return pinned_volume(replace(handle, uri=located), source)

    def view_of(self, source: VolumeSource, uri: str) -> dict[str, str]:
        """Return the options of the view by which an input has its dtype: True is 255 where uint8 is expected."""
        return dict(_FRACTIONS) if self.dtype == "uint8" and source.spec.dtype == bool else {}

    def spec(self, handle: Handle) -> VolumeSpec:
        return open_source(handle.uri).spec

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if spec is None:
            return
        if self.dtype and spec.dtype != self.dtype:
            advice = "; add ?window=LO:HI to its URI, or use voxome convert" if self.dtype == "uint8" else ""
            advice = "; these are labels, not grey values" if advice and spec.kind == "labels" else advice
            yield f"must be {self.dtype}, but it is {spec.dtype}{advice}"
        axes = "zyx" if self.channels is None else "czyx"
        if sorted(spec.axes) != sorted(axes):
            yield (f"must have axes {'/'.join(axes)}, but it has {'/'.join(spec.axes)} and shape {spec.domain.shape}")

    def open(self, handle: Handle) -> ImageReader:
        source = open_source(handle.uri)
        return ImageReader(source if handle.domain is None else Extended(source, Box.parse(handle.domain)))

    def arrays(self, handle: Handle, frame: Frame) -> Arrays | None:
        source = open_source(handle.uri)
        return {"voxels": np.asarray(source.read(source.spec.domain))} if source.spec.frame == frame.box else None

    def location(self, base: str) -> str:
        return f"{FORMAT}://{with_suffix(base, format_traits(FORMAT).suffix)}"

    def output_spec(self, frame: Frame, block: tuple[int, ...], parameters: Parameters) -> VolumeSpec:
        channels = self.channels(parameters) if callable(self.channels) else self.channels
        attributes = self.attributes(parameters) if callable(self.attributes) else self.attributes
        scale = self.scale_for(parameters)
        domain = frame.box
        chunk = chunk_of(tuple(-(-n // s) for n, s in zip(block, scale, strict=True)), format_traits(FORMAT).chunk_edge)
        axes: tuple[str, ...] = ("z", "y", "x")
        if channels is not None:
            domain = Box((0, *domain.start), (channels, *domain.stop))
            chunk, axes = (channels, *chunk), ("c", *axes)
        spec = VolumeSpec(
            domain,
            self.dtype or "uint8",  # type: ignore[arg-type]
            axes=axes,
            kind=self.kind,
            voxel_size_nm=frame.voxel_size_nm,
            offset_nm=frame.offset_nm,
            read_chunk=chunk,
            write_chunk=chunk,
            attributes=dict(attributes),
        )
        placed = self.at_first is not None and self.at_first(parameters)
        return coarser(spec, scale).replace(offset_nm=spec.offset_nm) if placed else coarser(spec, scale)

    def prepare(self, target: Target) -> None:
        if target.existing:
            return
        if _level_of(target):
            self._create_level(target)
        else:
            self._create(target)
        storage_path(Uri.parse(target.uri)).remove_stale_locks()

    def _create(self, target: Target) -> None:
        frame = _frame_of(target)
        try:
            mark = _mark_of(target)
        except NotFound:
            spec = self.output_spec(frame, target.block, target.parameters)
            new = {"step": target.step, "step_key": target.key, "box": str(frame.box), "complete": False}
            create_source(target.uri, spec.replace(attributes={**spec.attributes, RUN_MARK: new}))
            return
        require_own(target, mark.get("step_key", FOREIGN))

    def _create_level(self, target: Target) -> None:
        """Add the level that the URI names, `scale` times as coarse as the one before it, unless it exists."""
        levels, number = _levels_of(target), str(_level_of(target))
        require_own(target, levels.get(number) or None)
        if not levels.get(number):
            _update_mark(target, levels={**levels, number: UNFINISHED_LEVEL})
        base = _base_of(target)
        pyramid = ability(open_source(base, mode="r+"), SupportsLevels)
        if pyramid is not None and len(pyramid.levels) <= _level_of(target):
            factors = self.scale_for(target.parameters)
            last = require_scale(base, pyramid.levels, len(pyramid.levels) - 1)
            z, y, x = (n * f for n, f in zip(last, factors, strict=True))
            pyramid.create_level((z, y, x))

    def target_problems(self, target: Target, workers: int) -> Iterator[str]:
        source = _open(target)
        frame = _frame_of(target)
        expected = self.output_spec(replace(frame, box=frame.domain), target.block, target.parameters)
        spec = source.spec
        if spec.dtype != expected.dtype:
            yield f"{target.uri} is {spec.dtype}, but {target.tool} writes {expected.dtype}"
        if (spec.axes, spec.domain) != (expected.axes, expected.domain):
            yield (
                f"{target.uri} spans {spec.domain} along {'/'.join(spec.axes)}, but the output spans {expected.domain} "
                f"along {'/'.join(expected.axes)}"
            )
            return
        if workers > 1 and not source.concurrent_writers:
            yield f"{target.uri} cannot be written by {workers} processes at once; use --workers 1"
        yield from chunk_problems(target, spec, self.scale_for(target.parameters))

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        try:
            _open(target)
        except NotFound:
            return True
        return False

    def is_complete(self, target: Target) -> bool:
        try:
            _open(target)
            mark = _mark_of(target)
        except VoxomeError:
            return False
        if _level_of(target):
            return _levels_of(target).get(str(_level_of(target))) == target.key
        return bool(mark.get("complete") and mark.get("step_key") == target.key)

    def remove(self, target: Target) -> None:
        uri, level = Uri.parse(_base_of(target)), _level_of(target)
        try:
            mark = _mark_of(target)
        except NotFound:
            if not level:
                _remove_rest(uri, target)
            return
        levels = mark.get("levels", {})
        if level and levels.get(str(level)) in (target.key, UNFINISHED_LEVEL):
            _update_mark(target, levels={**levels, str(level): UNFINISHED_LEVEL})
        elif not level and mark.get("step_key") == target.key:
            _update_mark(target, complete=False)
            _tombstone(target).write_bytes(b"")
            _delete(uri)
            _tombstone(target).unlink()

    def writer(self, target: Target) -> ImageWriter:
        return ImageWriter(_open(target, "r+"), self.scale_for(target.parameters), target)

    def finish(self, target: Target) -> None:
        if not target.existing and self.is_complete(target):
            return
        if target.provenance is not None:
            record(open_source(_base_of(target), mode="r+"), target.provenance, name=target.uri)
        if target.existing:
            return
        level = _level_of(target)
        if level:
            _update_mark(target, levels={**_levels_of(target), str(level): target.key})
        else:
            _update_mark(target, complete=True)


@dataclass(frozen=True)
class Probability(Image):
    """A volume of probabilities; as uint8, 255 is certainty."""

    dtype: str | None = "uint8"
    kind: VolumeKind = "probability"

    def view_of(self, source: VolumeSource, uri: str) -> dict[str, str]:
        """Return the options of the view by which True and 1.0 are 255; other values cannot be read.

        Raises
        ------
        InvalidInput
            If floats of a sample are not from 0 to 1.
        """
        if self.dtype != "uint8" or source.spec.dtype.kind != "f":
            return super().view_of(source, uri)
        view = {**_FRACTIONS, "clip": "false"}
        for _ in sample_blocks(apply_view(source, view, uri)):
            pass
        return view


@dataclass(frozen=True)
class Mask(Image):
    """A mask as an input: it covers all voxels of the step, and its own may be larger or smaller."""

    covers_frame: ClassVar[bool] = True


@dataclass(frozen=True)
class Labels(Image):
    """A volume of object ids, uint64; 0 is background."""

    dtype: str | None = "uint64"
    kind: VolumeKind = "labels"


@dataclass(frozen=True)
class Regions(Labels):
    """Labels of regions as an input: they cover all voxels of the step, and their own may be larger or smaller."""

    dtype: str | None = None
    covers_frame: ClassVar[bool] = True


def _open(target: Target, mode: Mode = "r") -> VolumeSource:
    return open_source(target.uri, mode=mode)


def _base_of(target: Target) -> str:
    """Return the URI of level 0, whose attributes hold the mark."""
    uri = Uri.parse(target.uri)
    return str(replace(uri, query={name: value for name, value in uri.query.items() if name != "level"}))


def _mark_of(target: Target) -> dict[str, Any]:
    return dict(open_source(_base_of(target)).spec.attributes.get(RUN_MARK, {}))


def _update_mark(target: Target, **changes: object) -> None:
    keeper = ability(open_source(_base_of(target), mode="r+"), SupportsAttributes)
    if keeper is not None:
        keeper.update_attributes({RUN_MARK: {**_mark_of(target), **changes}})


def _delete(uri: Uri) -> None:
    remote = get_remote(uri.scheme)
    if isinstance(remote, SupportsDelete):
        remote.delete(uri)


def _tombstone(target: Target) -> StoragePath:
    """Return the path of the file that says that the removal of an array has begun."""
    return storage_at(target.folder) / f"{target.name}.removing"


def _remove_rest(uri: Uri, target: Target) -> None:
    """Remove the files of an array whose removal was interrupted after that of its metadata.

    Raises
    ------
    AlreadyExists
        If there are files that no removal has left: they may be the user's.
    """
    folder, tombstone = storage_path(uri), _tombstone(target)
    if target.existing or not folder.taken():
        return
    if not tombstone.exists() and not folder.path.startswith(f"{storage_at(target.folder).path}/"):
        raise AlreadyExists(
            f"{folder} is no array of step {target.step}, whose result is to be removed, and is left as it is; "
            "move it elsewhere or remove it, then run again"
        )
    folder.delete()
    tombstone.unlink()


def _levels_of(target: Target) -> dict[str, str]:
    """Return level → key of the step that completed it."""
    return dict(_mark_of(target).get("levels", {}))


def _level_of(target: Target) -> int:
    return int(Uri.parse(target.uri).query.get("level", "0"))


def _frame_of(target: Target) -> Frame:
    if target.frame is None:
        raise InvalidInput(
            f"output {target.name!r} of {target.tool} is a volume, but no volume input defines its shape"
        )
    return target.frame
