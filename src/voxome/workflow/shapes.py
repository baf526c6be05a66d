"""``voxome.write_meshes`` and ``voxome.write_skeletons``: shapes of all objects of a segmentation, in a store."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

from voxome.calls import explain_calls
from voxome.config.folders import state_folder
from voxome.config.machine import worker_count
from voxome.contracts.arguments import require_flags, require_path
from voxome.contracts.formats import PRIVATE
from voxome.contracts.tool import Tool
from voxome.contracts.uri import Location, Uri
from voxome.engines.choice import EngineChoice
from voxome.errors import InvalidInput, InvalidUri, WrongCall, unknown
from voxome.geometry import Box
from voxome.kinds.shapes import Shapes, split_options
from voxome.records.choice import RecordsChoice
from voxome.registry import load
from voxome.resources.addresses import absolute
from voxome.resources.labels import require_corner, require_labels
from voxome.resources.open import open
from voxome.resources.shapes import Meshes, Skeletons
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.workflow.array_inputs import inputs_folder, store_arrays
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.negative_labels import refuse_negative_labels
from voxome.workflow.options import BlockChoice, RunOptions
from voxome.workflow.run import Progress
from voxome.workflow.store import store_address
from voxome.workflow.target_locks import lock_target

MESHES = ("common.mesh_pieces", "common.meshes")
SKELETONS = ("common.skeleton_pieces", "common.skeletons")
S = TypeVar("S", Meshes, Skeletons)


class ShapesOptions(TypedDict, total=False):
    """Options of `write_meshes` and `write_skeletons`.

    Attributes
    ----------
    block, box, level, voxel_size_nm, workers, engine, records : optional
        See `voxome.run`.
    table : str or path, optional
        Parquet file for a table of the objects; see the tools ``common.meshes`` and ``common.skeletons``.
    store : str or path, optional
        Folder or address for the pieces of shapes, which all workers can reach; by default a folder of this user, which
        is removed when the shapes are complete.
    progress : function of a StepReport, optional
        Called after every job.
    overwrite : bool
        Whether shapes of another call at `out` are replaced, and its table. They are removed when the new ones begin
        to be written, after all blocks; a call that was interrupted is resumed.
    fresh : bool
        Whether to remove what earlier calls of the same have computed, and start again.
    """

    block: BlockChoice | None
    box: Box | str | None
    level: int
    voxel_size_nm: Sequence[float] | None
    workers: int | None
    engine: EngineChoice | None
    records: RecordsChoice | None
    table: Location | None
    store: Location | None
    progress: Progress | None
    overwrite: bool
    fresh: bool


@explain_calls
def write_meshes(
    labels: VolumeLike,
    out: Location,
    *,
    max_error_nm: float = 0.0,
    levels: int = 1,
    min_volume_nm3: float = 0.0,
    **options: Unpack[ShapesOptions],
) -> Meshes:
    """Mesh every object of a segmentation, block by block, into a store; repeat the same call to resume.

    Parameters
    ----------
    labels : str, path, Volume or array
        Labels along z, y, x.
    out : str
        ``precomputed://FOLDER``, or ``meshfiles://FOLDER?format=ply`` for a file an object.
    max_error_nm : float
        Largest distance, in nm, between a mesh and the surface of the voxels; 0 for that surface itself.
    levels : int
        Number of levels of detail; each doubles the largest distance, from a voxel on if that is 0.
    min_volume_nm3 : float
        Objects with less volume, in cubic nm, get no mesh; the table lists them.
    **options
        ``block``, ``box``, ``level``, ``voxel_size_nm``, ``workers``, ``engine``, ``records``, ``table``, ``store``,
        ``progress``, ``overwrite``, ``fresh``; see `ShapesOptions`.

    Returns
    -------
    Meshes
        What was written.

    Raises
    ------
    PlanError
        If it cannot start, with all problems, such as meshes of another call at `out`, unless `overwrite`.
    RunFailed, RunLocked, InvalidInput, InvalidUri
    """
    parameters = {"max_error_nm": max_error_nm, "levels": levels, "min_volume_nm3": min_volume_nm3}
    return _write("write_meshes", MESHES, Meshes, labels, out, parameters, options)


@explain_calls
def write_skeletons(
    labels: VolumeLike,
    out: Location,
    *,
    scale: float = 1.5,
    const_nm: float = 300.0,
    soma_radius_nm: float = 2000.0,
    min_volume_nm3: float = 0.0,
    cross_sections: bool = False,
    points: Location | None = None,
    **options: Unpack[ShapesOptions],
) -> Skeletons:
    """Skeletonize every object of a segmentation, block by block, into a store; repeat the same call to resume.

    Parameters
    ----------
    labels : str, path, Volume or array
        Labels along z, y, x.
    out : str
        ``precomputed://FOLDER``, or ``swc://FOLDER`` for a file an object.
    scale, const_nm : float
        A path covers what is within ``scale * radius + const_nm`` of it, in nm; what no path covers becomes a branch.
    soma_radius_nm : float
        An object that is as thick as this, in nm, has a soma: its middle is the root, which branches leave straight.
    min_volume_nm3 : float
        Objects with less volume, in cubic nm, get no skeleton; the table lists them.
    cross_sections : bool
        Whether nodes have the attribute ``cross_section_nm2``: the area of the segment's cross-section there, in nm²,
        NaN where it is not known. The table has the median of each object.
    points : str or path, optional
        Parquet file of roots and targets, with the columns ``id`` of the object, ``z_nm``, ``y_nm``, ``x_nm`` of a
        position in it, in the corner frame, and ``kind``: ``root`` (one of an object at most) or ``target``, which has
        a node.
    **options
        As of `write_meshes`; see `ShapesOptions`.

    Returns
    -------
    Skeletons
        What was written.

    Raises
    ------
    PlanError
        If it cannot start, with all problems, such as skeletons of another call at `out`, unless `overwrite`.
    RunFailed, RunLocked, InvalidInput, InvalidUri
    """
    require_flags(cross_sections=cross_sections)
    parameters: dict[str, Any] = {
        "scale": scale,
        "const_nm": const_nm,
        "soma_radius_nm": soma_radius_nm,
        "min_volume_nm3": min_volume_nm3,
        "cross_sections": cross_sections,
    }
    if points is not None:
        parameters["points"] = require_path("points", points)
    return _write("write_skeletons", SKELETONS, Skeletons, labels, out, parameters, options)


def _write(
    verb: str,
    tools: Sequence[str],
    expected: type[S],
    labels: VolumeLike,
    out: Location,
    parameters: Mapping[str, Any],
    options: ShapesOptions,
) -> S:
    """Run two tools, the second of which returns shapes, into a store."""
    for name in options:
        if name not in ShapesOptions.__annotations__:
            raise WrongCall(unknown("argument", name, [*parameters, *ShapesOptions.__annotations__], f"{verb}()"))
    overwrite, fresh = options.get("overwrite", False), options.get("fresh", False)
    require_flags(overwrite=overwrite, fresh=fresh)
    run = RunOptions.of(options.get("block"), options.get("box"), options.get("level", 0), options.get("voxel_size_nm"))
    volume = _require_labels(labels, run)
    if "points" in parameters:
        _require_points(parameters["points"], volume, run)
    loaded: list[Tool] = [load("voxome.tools", name) for name in tools]
    output = next(name for name, kind in loaded[-1].spec.outputs.items() if isinstance(kind, Shapes))
    uri = _require_format(out, loaded[-1].spec.outputs[output].location("FOLDER"))
    table, store = options.get("table"), options.get("store")
    into = {output: uri} | ({} if table is None else {"objects": require_path("table", table)})
    with refuse_negative_labels(volume.uri or "the array"), _pieces_folder(store, uri) as folder:
        values = store_arrays({"labels": labels, **parameters}, inputs_folder(store_address(folder, Path(folder))))
        run_chain(
            chain_of(tools[-1], *(tool.spec for tool in loaded)),
            values,
            store=folder,
            into=into,
            options=run,
            workers=worker_count(options.get("workers")),
            engine=options.get("engine"),
            records=options.get("records"),
            progress=options.get("progress"),
            overwrite=overwrite,
            temporary=store is None,
            fresh=fresh,
        )
    return open(str(split_options(Uri.parse(uri))[0]), expect=expected)


def _require_labels(labels: VolumeLike, options: RunOptions) -> Volume:
    """Check what tools cannot: that the volume is of labels, and where its voxels are; return it."""
    volume = require_labels(as_volume(labels))
    name = volume.uri or "the array"
    if options.voxel_size_nm is None and volume.level(options.level).voxel_size_nm is None:
        raise InvalidInput(f"{name} has no voxel size; give it with voxel_size_nm=(z, y, x) (--voxel-size)")
    require_corner(volume.level(options.level))
    return volume.level(options.level)


def _require_points(table: str, volume: Volume, options: RunOptions) -> None:
    """Check a table of roots and targets, as far as that takes no voxels: jobs find those outside their objects."""
    from voxome.tools.common.skeletonization.given_points import read_points

    size = options.voxel_size_nm or volume.voxel_size_nm
    assert size is not None
    box = volume.domain if options.box is None else Box.of(options.box, volume.domain)
    given = read_points(table, size)
    given.require(given.in_box(box), f"outside the {'volume' if options.box is None else 'box'} {box}")


def _require_format(out: Location, example: str) -> str:
    uri = Uri.parse(require_path("out", out))
    if not uri.scheme:
        raise InvalidUri(f"{uri} has no format; expected a URI such as {example}")
    return absolute(uri).reveal()


@contextmanager
def _pieces_folder(store: Location | None, uri: str) -> Iterator[str]:
    """Yield the folder of the pieces: the one that was chosen, or one of the destination, which is locked.

    The latter is removed at the end, unless it has pieces of calls that were interrupted.
    """
    if store is not None:
        yield require_path("store", store)
        return
    folder = state_folder() / f"shapes-{hashlib.sha256(uri.encode(errors='surrogateescape')).hexdigest()[:16]}"
    with lock_target(uri, folder):
        try:
            yield str(folder)
        finally:
            if [one.name for one in folder.iterdir()] == [PRIVATE]:
                shutil.rmtree(folder)
