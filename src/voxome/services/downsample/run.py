"""Add coarser levels to a volume."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from voxome.blocks.progress import Progress
from voxome.calls import explain_calls
from voxome.config.folders import state_folder
from voxome.contracts.abilities import (
    SupportsLevels,
    SupportsOwnDownsampling,
    ability,
    most_detailed_version,
)
from voxome.contracts.arguments import (
    require_count,
    require_flags,
    require_function,
    require_number,
    require_path,
    require_voxels,
)
from voxome.contracts.downsampling import Method
from voxome.contracts.engine import Engine
from voxome.contracts.provenance import LOCAL, OWN, Provenance
from voxome.contracts.service import Requirement
from voxome.contracts.spec import require_fill
from voxome.contracts.uri import Location
from voxome.errors import InvalidInput, UnknownName, describe_value
from voxome.records.choice import RecordsChoice, records_opener
from voxome.resources.coarsening import METHODS
from voxome.resources.provenance import input_record, own_version
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.choice import call_service, choose, chosen_options
from voxome.services.downsample.levels import LevelChoice
from voxome.services.downsample.report import DownsampleReport, LevelReport
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.engine import engine_opener
from voxome.services.transfer.run import transfer

_OWN = Requirement(
    SupportsOwnDownsampling,
    "this store does not compute coarser levels; BossDB and DVID do: leave out service, or choose 'local'",
)


@explain_calls
def downsample(
    volume: VolumeLike,
    *,
    out: Location | None = None,
    method: Method | None = None,
    no_data: float | None = None,
    levels: int | None = None,
    factors: Sequence[int] | Sequence[Sequence[int]] | None = None,
    service: str | None = None,
    voxel_size_nm: Sequence[float] | None = None,
    existing: bool = False,
    force: bool = False,
    workers: int = 1,
    chunk: Sequence[int] | None = None,
    shard: Sequence[int] | None = None,
    encoding: Mapping[str, Any] | None = None,
    state: str | Path | None = None,
    engine: str | Engine | None = None,
    records: RecordsChoice | None = None,
    progress: Progress | None = None,
) -> DownsampleReport:
    """Add coarser levels to a volume, in its place, or write a copy that has them.

    Every level is computed from level 0, by the rule of ``docs/downsampling.md``, whatever the blocks and workers are.
    After an interruption, repeat the same call to resume.

    Parameters
    ----------
    volume : str, path, Volume or array
        The volume; its store must have levels, unless there is `out`. A Volume has to be open for writing.
    out : str or path, optional
        URI at which nothing is stored, for a copy with levels.
    method : {"mean", "mode", "max", "min", "stride"}, optional
        How voxels become one: by default mode (the most frequent id) for labels, mean for everything else.
    no_data : number, optional
        Value that does not count where there is anything else; with 0, the background of labels loses.
    levels : int, optional
        Number of levels, the finest included; by default, until one fits into a chunk. With `existing`, coarser levels
        that there are beyond these are computed again, too.
    factors : (z, y, x), or sequence of (z, y, x), optional
        Factors from each level to the next, the same for all or one after the other; by default, the finest axes are
        halved until voxels are cubes, and then all axes.
    service : str, optional
        ``own``: the store computes levels (BossDB, DVID); ``local``: voxome; or the name of another service. By
        default the store, if it can and no option of the levels is given.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array; volumes have their own.
    existing : bool
        Whether levels that there are may be computed again.
    force : bool
        Whether to take a volume that an interrupted run or transfer has not finished.
    workers : int
        Number of processes; results do not depend on it.
    chunk, shard : (z, y, x), optional
        Chunk and shard shape of `out`.
    encoding : mapping, optional
        Options of the format of `out`.
    state : path, optional
        Folder for progress; ``VOXOME_STATE`` or a folder in the user's cache if None.
    engine : str or Engine, optional
        What runs the jobs; see `transfer`.
    records : str or RecordStore, optional
        What keeps the finished blocks; see `transfer`.
    progress : callable, optional
        Called with a `StepReport` whenever a job ends.

    Returns
    -------
    DownsampleReport
        The levels, the ids that each has lost, and the provenance; its `volume` is open for reading.

    Raises
    ------
    AlreadyExists
        If the volume has levels, or `out` exists.
    UnsupportedFormat
        If the store cannot have levels.
    InvalidInput
        If labels are to be averaged.
    ReadOnly
        If the volume is open for reading.
    RunFailed
        If blocks could not be computed; names their boxes.
    RunLocked
        If other work on the volume is running.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import voxome
    >>> labels = np.zeros((128, 128, 128), np.uint64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = voxome.downsample(labels, voxel_size_nm=(40, 4, 4), out=f"zarr://{folder}/labels.zarr")
    >>> [level.shape for level in report.levels]
    [(128, 128, 128), (128, 64, 64)]
    """
    began = time.monotonic()
    _check_arguments(method, levels, workers, progress, existing=existing, force=force)
    opened = as_volume(volume, voxel_size_nm=voxel_size_nm)
    options = {"out": out, "method": method, "no_data": no_data, "levels": levels, "factors": factors}
    wanted = [name for name, value in options.items() if value is not None]
    way = choose(LOCAL if service is None and wanted else service, opened, "downsample", _OWN)
    if way == OWN:
        if wanted:
            raise InvalidInput(
                f"{opened.uri}: its store computes the levels by rules of its own; leave out {', '.join(wanted)}, or "
                "choose service='local' (--service local)"
            )
        return _by_store(opened, began)
    if way != LOCAL:
        writing = {"existing": existing, "force": force, "chunk": chunk, "shard": shard, "encoding": encoding}
        running = {"workers": workers, "state": state, "engine": engine, "records": records, "progress": progress}
        report: DownsampleReport = call_service(
            way, opened, **chosen_options(downsample, **options, **writing, **running)
        )
        return report
    rule = _rule(opened, method, no_data)
    choice = _choice(levels, factors)
    if out is None and not opened.uri:
        from voxome.services.downsample.arrays import downsample_in_memory

        return downsample_in_memory(opened, *rule, choice, began)
    _ = opened.spec.frame
    source = Endpoint.of(volume if isinstance(volume, str | PathLike) else opened)
    target = source if out is None else Endpoint.of(require_path("out", out))
    open_engine, open_records = engine_opener(engine, (source, target), workers), records_opener(records)
    from voxome.services.downsample.local import LocalRequest, is_copied, run_local

    request = LocalRequest(target, *rule, choice, existing, force)
    with _state_folder((source, target), state) as root:
        if out is not None:
            version = most_detailed_version(opened.source).token
            request = replace(request, source=source.uri, source_version=version)
            if not is_copied(request, root, open_records):
                copying = {"chunk": chunk, "shard": shard, "encoding": encoding, "force": force}
                running = {"workers": workers, "engine": engine, "records": records, "progress": progress}
                transfer(opened, out, state=root, **copying, **running)  # type: ignore[arg-type]
        return run_local(request, root, open_engine, open_records, progress)


def _check_arguments(
    method: str | None, levels: int | None, workers: int, progress: Progress | None, **flags: bool
) -> None:
    if method is not None and method not in get_args(Method):
        raise UnknownName.of("method", method, get_args(Method))
    if levels is not None:
        require_count("levels", levels)
    require_count("workers", workers)
    require_flags(**flags)
    if progress is not None:
        require_function("progress", progress)


def _rule(volume: Volume, method: Method | None, no_data: float | None) -> tuple[Method, float | int | None]:
    """Return the method, and the value that does not count.

    Raises
    ------
    InvalidInput
        If labels are to be averaged, or the dtype does not have this value.
    """
    spec, name = volume.spec, volume.uri or "the array"
    chosen = METHODS[spec.kind] if method is None else method
    if spec.kind == "labels" and chosen == "mean":
        raise InvalidInput(
            f"{name} has labels, whose mean would be ids that do not exist; use mode, the most frequent id, or stride"
        )
    if spec.dtype.kind not in "biuf":
        raise InvalidInput(f"{name}: voxels of {spec.dtype} cannot be combined; expected real numbers or booleans")
    return chosen, None if no_data is None else require_fill(require_number("no_data", no_data), spec.dtype, "no_data")


def _choice(levels: int | None, factors: Any) -> LevelChoice:
    """Return which levels there are to be."""
    if factors is None:
        return LevelChoice(levels)
    each = [factors] if _is_triple(factors) else factors
    if not isinstance(each, Sequence) or isinstance(each, str) or not each:
        raise InvalidInput(f"factors is {describe_value(factors)}; expected (z, y, x), or a list of such factors")
    parsed = tuple(require_voxels("factors", one) for one in each)
    if any(max(one) == 1 for one in parsed):
        raise InvalidInput(f"factors {parsed} have a level that is as fine as the one before; expected 2 or more")
    return LevelChoice(len(parsed) + 1 if levels is None and not _is_triple(factors) else levels, parsed)


def _is_triple(factors: Any) -> bool:
    return isinstance(factors, Sequence) and bool(factors) and not isinstance(factors[0], Sequence)


def _by_store(volume: Volume, began: float) -> DownsampleReport:
    """Let the store compute the levels, and wait for them."""
    store = _OWN.find(volume.source, volume.uri)
    status = store.downsample()
    pyramid = ability(volume.source, SupportsLevels)
    specs = [volume.spec] if pyramid is None else [pyramid.level(n).spec for n in range(len(pyramid.levels))]
    source = input_record("volume", volume.source, volume.uri)
    scheme = volume.uri.partition("://")[0]
    return DownsampleReport(
        destination=volume.uri,
        levels=[LevelReport.of(spec) for spec in specs],
        wall_s=time.monotonic() - began,
        provenance=Provenance.now("downsample", OWN, scheme, own_version(), {"status": status}, [source]),
    )


@contextmanager
def _state_folder(endpoints: Sequence[Endpoint], folder: str | Path | None) -> Iterator[Path]:
    """Yield the folder for progress, a temporary one if an endpoint exists in this process only."""
    if folder is not None:
        require_path("state", folder)
    if all(endpoint.lasting for endpoint in endpoints):
        yield state_folder(folder)
        return
    with tempfile.TemporaryDirectory(prefix="voxome-downsample-") as temporary:
        yield Path(temporary)
