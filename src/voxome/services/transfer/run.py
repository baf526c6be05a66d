"""Copy a volume from one store to another."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import DTypeLike

from voxome.blocks.progress import Progress
from voxome.calls import explain_calls
from voxome.config.folders import state_folder
from voxome.contracts.arguments import (
    require_count,
    require_flags,
    require_function,
    require_mapping,
    require_path,
    require_voxels,
    require_whole,
)
from voxome.contracts.engine import Engine
from voxome.contracts.provenance import ATTRIBUTE
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import parse_dtype
from voxome.contracts.uri import Location
from voxome.errors import InvalidInput, UnknownName
from voxome.extras import require
from voxome.geometry import Box
from voxome.records.choice import RecordsChoice, records_opener
from voxome.resources.metadata import metadata
from voxome.resources.open import canonical
from voxome.resources.unfinished import require_finished
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.blockwise_copy import resolve_box
from voxome.services.transfer.choices import Verify
from voxome.services.transfer.endpoint import Endpoint, TargetOptions, require_dropped
from voxome.services.transfer.engine import engine_opener
from voxome.services.transfer.prepare import TransferRequest
from voxome.services.transfer.stages import TransferReport, run_transfer


@explain_calls
def transfer(
    src: VolumeLike,
    dst: Location | Volume,
    *,
    voxel_size_nm: Sequence[float] | None = None,
    box: Box | str | None = None,
    level: int = 0,
    dtype: DTypeLike | None = None,
    levels: int = 1,
    workers: int = 1,
    verify: Verify = "sampled",
    seed: int = 0,
    force: bool = False,
    existing: bool = False,
    chunk: Sequence[int] | None = None,
    shard: Sequence[int] | None = None,
    encoding: Mapping[str, Any] | None = None,
    drop: Collection[str] = (),
    state: str | Path | None = None,
    engine: str | Engine | None = None,
    records: RecordsChoice | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Copy a volume, or a part of it, to another store.

    After an interruption, repeat the same call to resume: finished blocks are not copied again. Voxel size, offset,
    first index, attributes and kind are kept.

    Parameters
    ----------
    src : str, path, Volume or array
        Source.
    dst : str, path or Volume
        Destination: a URI at which nothing is stored, or, with `existing` or as a Volume, an array that contains the
        box and has the same dtype, axes, voxel size and offset.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array; volumes have their own.
    box : Box or str, optional
        Part to copy, in the coordinates of `src` at `level`, along all axes or along z, y, x.
    level : int
        Level of the source's pyramid.
    dtype : dtype, optional
        Data type of the destination; values that would change are refused.
    levels : int
        Number of levels of the destination, fewer where one would be a single voxel. Coarser ones are computed from the
        finest, as by `downsample`: means, or the most frequent label. Each halves the axes along which voxels are less
        than twice as long as along the shortest, unless the store fixes the scales.
    workers : int
        Number of processes. With 1, and for destinations that allow only one writing process, this process copies,
        with one thread reading while another writes.
    verify : {"none", "sampled", "all"}
        Which blocks to read back and compare; a sample has the first, the last and one in 16 others. With ``all``,
        those that earlier calls have copied are compared too.
    seed : int
        Random seed of the sample.
    force : bool
        Whether to copy what an interrupted run has not finished.
    existing : bool
        Whether to write into an existing array. Its coarser levels, however many, are computed again where it is
        written, unless its store computes levels itself.
    chunk, shard : (z, y, x), optional
        Chunk and shard shape of a new destination; the format's default if None.
    encoding : mapping, optional
        Options of the format of a new destination, such as ``{"codec": "zstd"}``.
    drop : collection of {"start", "voxel_size", "offset", "attributes"}
        Properties that a new destination does not keep. Without the start, indices begin at 0 and the offset is
        adjusted.
    state : path, optional
        Folder for transfer progress; ``VOXOME_STATE`` or a folder in the user's cache if None.
    engine : str or Engine, optional
        What runs the jobs: ``NAME[?option=value&…]`` or an engine. By default processes on this machine, or threads of
        this process if there is one worker or if other processes cannot open an endpoint.
    records : str or RecordStore, optional
        What keeps the finished blocks: ``NAME[?option=value&…]`` or a record store; ``sqlite`` by default.
    progress : callable, optional
        Called with a `StepReport` whenever a job ends.

    Returns
    -------
    TransferReport

    Raises
    ------
    AlreadyExists
        If something else is stored at `dst`.
    PlanError
        If an existing `dst` does not fit; lists every problem.
    UnsupportedFormat, InvalidInput
        If the format of `dst` cannot store what `src` contains.
    RunFailed
        If blocks could not be copied or verified; names their boxes.
    RunLocked
        If another transfer to `dst` is running.
    MissingExtra
        If levels are to be computed without the extra ``services``; nothing is created.

    Examples
    --------
    >>> import voxome
    >>> volume = voxome.create("memory://source", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> volume[...] = 7
    >>> voxome.transfer("memory://source", "memory://copy", verify="all").verified
    1
    >>> int(voxome.open("memory://copy")[3, 4, 5])
    7
    """
    check_choices(verify, levels, workers)
    require_count("level", level, 0)
    require_flags(force=force, existing=existing)
    require_whole("seed", seed)
    dropped = require_dropped(drop)
    if encoding is not None:
        require_mapping("encoding", encoding, "{'codec': 'zstd'}")
    if state is not None:
        require_path("state", state)
    if progress is not None:
        require_function("progress", progress)
    if not isinstance(dst, Volume):
        require_path("dst", dst)
    if isinstance(src, np.ndarray) or voxel_size_nm is not None:
        src = as_volume(src, voxel_size_nm=voxel_size_nm)
    start, end = Endpoint.of(src, level), Endpoint.of(dst)
    if start.uri and end.uri and canonical(start.uri) == canonical(end.uri):
        raise InvalidInput(f"{start.uri} cannot be copied to itself")
    open_engine, open_records = engine_opener(engine, (start, end), workers), records_opener(records)
    require_finished(start.text if start.uri else "", force=force)
    source = start.open()
    region = resolve_box(source.spec, box)
    name = None if dtype is None else parse_dtype(dtype).name
    options = TargetOptions(name, _shape("chunk", chunk), _shape("shard", shard), encoding, dropped)
    spec = source.spec
    if "attributes" not in options.drop:
        spec = spec.replace(attributes={**spec.attributes, **_free_metadata(source)})
    request = TransferRequest(
        start,
        end,
        region,
        options,
        options.spec(spec, region, end.scheme),
        levels,
        existing or isinstance(dst, Volume),
        verify,
        seed,
    )
    with _state_folder(request, state) as root:
        return run_transfer(request, source, root, open_engine, open_records, progress)[0]


def _free_metadata(source: VolumeSource) -> dict[str, Any]:
    """Return the metadata of the source but for its provenance, which the target keeps in its own way."""
    return {name: value for name, value in metadata(source).items() if not name.startswith(ATTRIBUTE)}


def check_choices(verify: str, levels: int, workers: int = 1) -> None:
    """Check the choices of a transfer that do not depend on its endpoints.

    Raises
    ------
    UnknownName, InvalidInput
    MissingExtra
        If levels are to be computed, and numba is not installed.
    """
    if verify not in get_args(Verify):
        raise UnknownName.of("verify mode", verify, get_args(Verify))
    require_count("levels", levels)
    require_count("workers", workers)
    if levels > 1:
        require("services", "numba")


def _shape(name: str, value: Sequence[int] | None) -> tuple[int, int, int] | None:
    return None if value is None else require_voxels(name, value)


@contextmanager
def _state_folder(request: TransferRequest, folder: str | Path | None) -> Iterator[Path]:
    """Yield the folder for transfer progress, a temporary one if an endpoint exists in this process only."""
    if request.source.lasting and request.target.lasting:
        yield state_folder(folder)
        return
    with tempfile.TemporaryDirectory(prefix="voxome-transfer-") as temporary:
        yield Path(temporary)
