"""``voxome.write_meshes`` and ``voxome.write_skeletons``: shapes of all objects of a segmentation, in a store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from voxome.calls import explain_calls
from voxome.config.folders import state_folder
from voxome.config.machine import worker_count
from voxome.contracts.arguments import require_path
from voxome.contracts.tool import Tool
from voxome.contracts.uri import Location, Uri
from voxome.engines.choice import EngineChoice
from voxome.errors import InvalidInput, InvalidUri
from voxome.geometry import Box
from voxome.kinds.shapes import Shapes, split_options
from voxome.records.choice import RecordsChoice
from voxome.registry import load
from voxome.resources.labels import corner_of_level, require_labels
from voxome.resources.open import absolute, open
from voxome.resources.shapes import Meshes, Skeletons
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.storage.find import storage_at
from voxome.workflow.array_inputs import inputs_folder, store_arrays
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.options import BlockChoice, RunOptions
from voxome.workflow.run import Progress
from voxome.workflow.store import store_address

MESHES = ("common.mesh_pieces", "common.meshes")
SKELETONS = ("common.skeleton_pieces", "common.skeletons")
S = TypeVar("S", Meshes, Skeletons)


@explain_calls
def write_meshes(
    labels: VolumeLike,
    out: Location,
    *,
    block: BlockChoice | None = None,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    table: Location | None = None,
    store: Location | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Meshes:
    """Mesh every object of a segmentation, block by block, into a store; repeat the same call to resume.

    Parameters
    ----------
    labels : str, path, Volume or array
        Labels along z, y, x.
    out : str
        ``precomputed://FOLDER``, or ``meshfiles://FOLDER?format=ply`` for a file an object.
    block, box, level, voxel_size_nm, workers, engine, records : optional
        See `voxome.run`.
    table : str or path, optional
        Parquet file for a table of the objects: volume, area, bounding box, error; see the tool ``common.meshes``.
    store : str or path, optional
        Folder or address for the pieces of meshes, which all workers can reach; by default a folder of this user, which
        is removed when the meshes are complete.
    progress : function of a StepReport, optional
        Called after every job.
    **parameters
        Parameters of the tools ``common.mesh_pieces`` and ``common.meshes``.

    Returns
    -------
    Meshes
        What was written.

    Raises
    ------
    PlanError
        If it cannot start, with all problems.
    RunFailed, RunLocked, InvalidInput, InvalidUri
    """
    return _write(
        MESHES,
        {"labels": labels, **parameters},
        out,
        Meshes,
        table,
        store,
        options=RunOptions.of(block, box, level, voxel_size_nm),
        workers=worker_count(workers),
        engine=engine,
        records=records,
        progress=progress,
    )


@explain_calls
def write_skeletons(
    labels: VolumeLike,
    out: Location,
    *,
    block: BlockChoice | None = None,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    table: Location | None = None,
    store: Location | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Skeletons:
    """Skeletonize every object of a segmentation, block by block, into a store; repeat the same call to resume.

    Parameters
    ----------
    labels : str, path, Volume or array
        Labels along z, y, x.
    out : str
        ``precomputed://FOLDER``, or ``swc://FOLDER`` for a file an object.
    block, box, level, voxel_size_nm, workers, engine, records : optional
        See `voxome.run`.
    table : str or path, optional
        Parquet file for a table of the objects; see the tool ``common.skeletons``.
    store : str or path, optional
        See `write_meshes`.
    progress : function of a StepReport, optional
        Called after every job.
    **parameters
        Parameters of the tools ``common.skeleton_pieces`` and ``common.skeletons``.

    Returns
    -------
    Skeletons
        What was written.

    Raises
    ------
    PlanError
        If it cannot start, with all problems.
    RunFailed, RunLocked, InvalidInput, InvalidUri
    """
    return _write(
        SKELETONS,
        {"labels": labels, **parameters},
        out,
        Skeletons,
        table,
        store,
        options=RunOptions.of(block, box, level, voxel_size_nm),
        workers=worker_count(workers),
        engine=engine,
        records=records,
        progress=progress,
    )


def _write(
    tools: Sequence[str],
    inputs: Mapping[str, Any],
    out: Location,
    expected: type[S],
    table: Location | None,
    store: Location | None,
    **run: Any,
) -> S:
    """Run two tools, the second of which returns shapes; `run` are arguments of `run_chain`."""
    _require_labels(inputs["labels"], run["options"])
    loaded: list[Tool] = [load("voxome.tools", name) for name in tools]
    output = next(name for name, kind in loaded[-1].spec.outputs.items() if isinstance(kind, Shapes))
    uri = _require_format(out, loaded[-1].spec.outputs[output].location("FOLDER"))
    into = {output: uri} | ({} if table is None else {"objects": require_path("table", table)})
    folder = _store(store, uri)
    values = store_arrays(inputs, inputs_folder(store_address(folder, Path(folder))))
    run_chain(chain_of(tools[-1], *(tool.spec for tool in loaded)), values, store=folder, into=into, **run)
    if store is None:
        storage_at(folder).delete()
    return open(str(split_options(Uri.parse(uri))[0]), expect=expected)


def _require_labels(labels: VolumeLike, options: RunOptions) -> None:
    """Check what tools cannot: that the volume is of labels, and where its voxels are."""
    volume = require_labels(as_volume(labels))
    name = volume.uri or "the array"
    if options.voxel_size_nm is None and volume.level(options.level).voxel_size_nm is None:
        raise InvalidInput(f"{name} has no voxel size; give it with voxel_size_nm=(z, y, x) (--voxel-size)")
    corner = corner_of_level(volume, options.level)
    if any(corner):
        raise InvalidInput(
            f"level {options.level} of {name} does not begin at the corner of level 0, but {corner} nm from it, "
            "as with levels that keep every n-th voxel; use level 0, or another pyramid"
        )


def _require_format(out: Location, example: str) -> str:
    uri = Uri.parse(require_path("out", out))
    if not uri.scheme:
        raise InvalidUri(f"{uri} has no format; expected a URI such as {example}")
    return absolute(uri).reveal()


def _store(store: Location | None, uri: str) -> str:
    """Return the folder of the pieces: the one that was chosen, or one that belongs to the destination."""
    if store is not None:
        return require_path("store", store)
    return str(state_folder() / f"shapes-{hashlib.sha256(uri.encode()).hexdigest()[:16]}")
